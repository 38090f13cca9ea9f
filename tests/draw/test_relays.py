"""Fetching a drand round, against relays on loopback."""

import json
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from trialkit.draw import drand
from trialkit.draw.relays import fetch
from trialkit.errors import DrawError

CHAIN = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
SIGNATURE = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"


@contextmanager
def relay(answer: object, status: int = 200):
    """A relay on loopback that gives one answer, and remembers what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.end_headers()
            with suppress(OSError):  # whoever has read enough hangs up
                self.wfile.write(body)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


RIGHT = {"round": 1000, "randomness": "fe29", "signature": SIGNATURE}


def test_two_relays_that_agree_give_the_evidence():
    with relay(RIGHT) as (first, asked), relay(RIGHT) as (second, _):
        found = fetch(CHAIN, 1000, [first, second])
    assert found == {"kind": "drand", "round": 1000, "signature": SIGNATURE}
    assert asked == [f"/{CHAIN}/public/1000"]


def test_two_relays_that_disagree_are_refused():
    with relay(RIGHT) as (first, _), relay(RIGHT | {"signature": "0" * 96}) as (second, _):
        with pytest.raises(DrawError, match="disagree") as refused:
            fetch(CHAIN, 1000, [first, second])
    assert refused.value.code == "E_RELAY"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (RIGHT | {"round": 1001}, 200),
        (RIGHT | {"signature": SIGNATURE.upper()}, 200),
        (RIGHT | {"signature": SIGNATURE[:-2]}, 200),
        (["not", "an", "object"], 200),
        (b"<html>blocked</html>", 200),
        (b"[" * 100_000, 200),
        (RIGHT, 404),
    ],
)
def test_a_relay_that_answers_with_something_else_is_named(answer, status):
    with relay(RIGHT) as (first, _), relay(answer, status) as (second, _):
        with pytest.raises(DrawError) as refused:
            fetch(CHAIN, 1000, [first, second])
    assert refused.value.facts["relay"] == second


def test_a_relay_that_is_not_there_is_named():
    with relay(RIGHT) as (first, _):
        pass
    with pytest.raises(DrawError, match="did not give round 1000"):
        fetch(CHAIN, 1000, [first, "http://127.0.0.1:1"], timeout=2)


@pytest.mark.parametrize(
    "relays", [[], ["https://one.example"], ["https://one.example"] * 2, ["file:///etc/passwd", "x"]]
)
def test_one_relay_alone_or_another_kind_of_address_is_refused(relays):
    with pytest.raises(DrawError) as refused:
        fetch(CHAIN, 1000, relays)
    assert refused.value.code == "E_RELAY"


def test_a_nested_answer_is_named_even_after_signatures_were_checked():
    drand.verify_signature(1000, SIGNATURE)  # py-ecc would let Python nest until it crashes
    with relay(RIGHT) as (first, _), relay(b"[" * 65536) as (second, _), pytest.raises(DrawError) as refused:
        fetch(CHAIN, 1000, [first, second])
    assert refused.value.facts["relay"] == second
    assert sys.getrecursionlimit() < 10_000
