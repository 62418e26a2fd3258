"""Warnings of malformed requests."""

import logging
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import cast

import pytest

from entrypoints.http.uvicorn.malformed_requests import MalformedRequests


class Loop:
    """An event loop whose time a test decides."""

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []

    def call_later(self, _: float, act: Callable[[], None]) -> None:
        self.later.append(act)


def test_many_requests_make_two_lines_with_their_number_and_the_last_caller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop, requests = Loop(), MalformedRequests()
    with caplog.at_level(logging.WARNING):
        for port in range(4_885):
            requests.record(("192.0.2.7", port), cast(AbstractEventLoop, loop))
        assert len(caplog.messages) == len(loop.later) == 1
        assert "192.0.2.7 port 0 " in caplog.messages[0]
        loop.later.pop()()
        assert len(caplog.messages) == 2
        assert caplog.messages[1].startswith("4884 more ")
        assert caplog.messages[1].endswith("192.0.2.7 port 4884")


def test_a_single_request_makes_one_line_each_minute(caplog: pytest.LogCaptureFixture) -> None:
    loop, requests = Loop(), MalformedRequests()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            requests.record(None, cast(AbstractEventLoop, loop))
            loop.later.pop()()
    assert len(caplog.messages) == 2
