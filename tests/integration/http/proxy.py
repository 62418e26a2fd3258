"""nginx as a reverse proxy that removes a prefix, as a process of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.integration.processes import START_SECONDS, STOP_SECONDS, free_port
from tests.support.leaving_out import leave_out
from tests.support.waiting import wait_until

_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_CONFIG = """
{user}
daemon off;
pid {folder}/nginx.pid;
events {{ }}
http {{
  access_log off;
  {temporary}
  server {{
    listen 127.0.0.1:{port};
    location {prefix}/ {{
      proxy_pass {url}/;
      {headers}
    }}
  }}
}}
"""


@contextmanager
def behind_nginx(folder: Path, url: str, prefix: str, **headers: str) -> Iterator[str]:
    """Give the public address of a server behind nginx, which adds these headers."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if nginx is None:
        leave_out("needs nginx: apt-get install nginx-light")
    port, config, log = free_port(), folder / "nginx.conf", folder / "nginx.log"
    added = [f"proxy_set_header {n.replace('_', '-')} {v};" for n, v in headers.items()]
    config.write_text(
        _CONFIG.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            temporary="\n  ".join(f"{n}_temp_path {folder}/{n};" for n in _FOLDERS),
            port=port,
            prefix=prefix,
            url=url,
            headers="\n      ".join(added),
        )
    )
    with log.open("wb") as out:
        process = subprocess.Popen(
            [nginx, "-e", "stderr", "-p", folder, "-c", config], stdout=out, stderr=out
        )
    try:
        public = f"http://127.0.0.1:{port}"
        wait_until(
            lambda: process.poll() is not None or _answers(public),
            START_SECONDS,
            lambda: f"nginx starts:\n{log.read_text()}",
        )
        assert process.poll() is None, f"nginx ended on its own:\n{log.read_text()}"
        yield f"{public}{prefix}"
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _answers(url: str) -> bool:
    try:
        urlopen(url, timeout=5).close()
    except HTTPError as error:
        error.close()
    except (URLError, OSError):
        return False
    return True
