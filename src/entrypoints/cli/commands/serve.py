"""`serve`: a model over HTTP."""

from typing import Annotated

import typer

from entrypoints.cli.options import Model, SchemaFile

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 selects a free one.")
    ] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Number of server processes.")] = 1,
    model: Model = None,
    schema: SchemaFile = None,
) -> None:
    """Serve a model over HTTP until SIGTERM or Ctrl-C.

    Example: modelport serve --port 8080 --model housing@champion
    """
    from entrypoints.http.server import run

    run(host=host, port=port, workers=workers, model=model, schema=schema)
