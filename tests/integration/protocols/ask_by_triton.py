"""Asks a server with tritonclient and prints what came of it, as JSON.

It runs in an environment of its own, where only tritonclient is installed. The rows come on stdin.
"""

import asyncio
import inspect
import json
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import tritonclient.http as sync  # type: ignore[import-not-found] # not in the project's own
import tritonclient.http.aio as aio  # type: ignore[import-not-found] # environment, see above
from tritonclient.utils import InferenceServerException  # type: ignore[import-not-found]

NUMPY = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


def inputs(tensors: Iterable[Any], rows: list[Any], *, binary: bool, column: bool) -> list[Any]:
    """Return the inputs that the metadata describes, filled with rows; null is NaN."""
    made = []
    for tensor in tensors:
        values = [row[tensor["name"]] for row in rows]
        cells = [np.nan if value is None else value for value in values]
        array: Any = np.array(cells, dtype=NUMPY[tensor["datatype"]])
        if column:
            array = array.reshape(-1, 1)
        one = sync.InferInput(tensor["name"], [*array.shape], tensor["datatype"])
        made.append(one.set_data_from_numpy(array, binary_data=binary))
    return made


async def ask(client: Any, name: str, rows: list[Any]) -> dict[str, Any]:
    """Return the answer to each question of the protocol."""

    async def call(method: str, *arguments: Any, **options: Any) -> Any:
        answer = getattr(client, method)(*arguments, **options)
        return await answer if inspect.isawaitable(answer) else answer

    async def fault(method: str, *arguments: Any, **options: Any) -> dict[str, str]:
        try:
            await call(method, *arguments, **options)
        except InferenceServerException as error:
            return {"status": error.status(), "message": error.message()}
        return {"status": "none", "message": ""}

    async def infer(**options: Any) -> dict[str, Any]:
        result = await call("infer", name, **options)
        output = result.as_numpy("prediction")
        return {
            "values": output.tolist(),
            "dtype": str(output.dtype),
            "response": result.get_response(),
        }

    model = await call("get_model_metadata", name)
    tensors, version = model["inputs"], model["versions"][0]
    good = inputs(tensors, rows, binary=True, column=False)
    text = [tensor["name"] for tensor in tensors if tensor["datatype"] == "BYTES"]
    strange = [{**row, **dict.fromkeys(text, "SESAME")} for row in rows]
    lying = inputs(tensors, rows, binary=True, column=False)
    lying[0].set_shape([len(rows) + 1])
    bad = inputs(tensors, strange, binary=True, column=False)
    unknown = [sync.InferRequestedOutput("SESAME")]
    return {
        "live": await call("is_server_live"),
        "ready": await call("is_server_ready"),
        "model_ready": await call("is_model_ready", name),
        "version_ready": await call("is_model_ready", name, version),
        "other_ready": await call("is_model_ready", "SESAME"),
        "other_version_ready": await call("is_model_ready", name, "999"),
        "server": await call("get_server_metadata"),
        "config": await call("get_model_config", name),
        "config_of_version": await call("get_model_config", name, version),
        "index": await call("get_model_repository_index"),
        "unsupported": [
            await fault(method, *arguments)
            for method, *arguments in (
                ("load_model", name),
                ("unload_model", name),
                ("get_inference_statistics",),
                ("get_inference_statistics", name),
                ("get_trace_settings",),
                ("get_trace_settings", name),
                ("update_trace_settings", name, {"trace_level": "OFF"}),
                ("get_log_settings",),
                ("update_log_settings", {"log_info": False}),
                ("get_system_shared_memory_status",),
                ("register_system_shared_memory", "SESAME", "/SESAME", 64),
                ("unregister_system_shared_memory",),
                ("get_cuda_shared_memory_status",),
                ("unregister_cuda_shared_memory",),
            )
        ],
        "model": model,
        "infers": {
            f"{binary=} {wanted=} {column=}": await infer(
                inputs=inputs(tensors, rows, binary=binary, column=column),
                outputs=[sync.InferRequestedOutput("prediction", binary_data=wanted)],
                request_id="a question",
            )
            for binary in (False, True)
            for wanted in (False, True)
            for column in (False, True)
        },
        "plain": await infer(inputs=good),
        "compressed": [
            await infer(
                inputs=inputs(tensors, rows, binary=binary, column=False),
                request_compression_algorithm=request,
                response_compression_algorithm=response,
            )
            for binary in (False, True)
            for request, response in (("gzip", None), ("deflate", None), ("gzip", "gzip"))
        ],
        "of_version": await infer(inputs=good, model_version=version),
        "faults": {
            "another model": await fault("infer", "SESAME", good),
            "another version": await fault("infer", name, good, model_version="999"),
            "another output": await fault("infer", name, good, outputs=unknown),
            "a strange category": await fault("infer", name, bad),
            "a shape that lies": await fault("infer", name, lying),
            "too few tensors": await fault("infer", name, good[1:]),
            "metadata": await fault("get_model_metadata", "SESAME"),
            "config": await fault("get_model_config", "SESAME"),
        },
    }


async def main() -> None:
    """Ask with both clients."""
    asked = json.load(sys.stdin)
    with sync.InferenceServerClient(asked["host"]) as client:
        by_sync = await ask(client, asked["model"], asked["rows"])
    async with aio.InferenceServerClient(asked["host"]) as client:
        by_aio = await ask(client, asked["model"], asked["rows"])
    json.dump({"sync": by_sync, "aio": by_aio}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
