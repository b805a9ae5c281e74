"""Over http the clients make file objects of data URIs only, so held replies carry those; GET answers URLs."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
import replicate

from hearth.testing.live import LiveServer, ServerDied


def test_python_1(plain_py1: replicate.Client, plain_models: Any) -> None:
    noop = plain_models("noop")
    assert plain_py1.run(noop.name, input={"text": "hi"}) == "hi"
    output = plain_py1.run(plain_models("output-path").name, input={"text": "some text"})
    assert output.url.startswith("data:text/plain;base64,")
    assert output.read() == b"some text"
    report = plain_py1.run(plain_models("output-object").name)
    assert [part["file"].read() for part in report["parts"]] == [b"content 0", b"content 1"]
    events = plain_py1.stream(plain_models("output-concatenate").name, input={"text": "a b"})
    assert "".join(map(str, events)) == "a b"


def test_python_2(plain_py2: Any, plain_models: Any) -> None:
    code = "return replicate.run(ref, input={'text': 'some text'}).read().decode()"
    assert plain_py2(code, ref=plain_models("output-path").name) == "some text"
    code = "return open(replicate.use(ref)(text='some text')).read()"
    assert plain_py2(code, ref=plain_models("output-path").name) == "some text"


def test_node(plain_js: Any, plain_models: Any) -> None:
    code = """
    const file = await replicate.run(ref, { input: { text: "some text" } });
    const blob = await file.blob();
    return [await blob.text(), file.url().protocol];
    """
    assert plain_js(code, ref=plain_models("output-path").name) == ["some text", "data:"]
    code = """
    const texts = [];
    for await (const { event, data } of replicate.stream(ref, { input: { count: 2 } }))
      if (event === "output") texts.push(await (await data.blob()).text());
    return texts;
    """
    assert plain_js(code, ref=plain_models("output-iterator-path").name) == ["page 0", "page 1"]


def test_files_go_in_by_upload(plain_py1: replicate.Client, plain_models: Any, tmp_path: Any) -> None:
    path = tmp_path / "note.txt"
    path.write_text("some text")
    with path.open("rb") as stream:
        [seen] = plain_py1.run(plain_models("files-echo").name, input={"file": stream})
    assert (seen["name"], seen["size"]) == ("note.txt", 9)


def test_reads_answer_urls(plain_api: Any, plain_models: Any) -> None:
    held = plain_api.create(plain_models("output-list-path").name, hold=30)
    assert [uri.partition(",")[0] for uri in held["output"]] == ["data:text/plain;base64"] * 3
    read = plain_api.get(held["id"])
    assert all(url.startswith("http://127.0.0.1:") for url in read["output"])
    assert [plain_api.http.get(url).text for url in read["output"]] == ["page 0", "page 1", "page 2"]
    assert read["urls"]["get"].startswith("http://")


def test_large_files_stay_urls(plain_api: Any, plain_models: Any) -> None:
    held = plain_api.create(plain_models("big-output").name, {"text_mb": 0, "file_mb": 21}, hold=30)
    assert held["output"]["file"].startswith("http://")


def test_an_answer_comes_in_one_piece(plain: LiveServer) -> None:
    """Each piece would wake its reader, who then goes back to sleep for the next."""
    host, port = plain.url.removeprefix("http://").split(":")
    asked = f"GET /v1/account HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {plain.token}\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), 60) as connection:
        for _ in range(20):
            connection.sendall(asked)
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert json.loads(body)["username"]


@pytest.mark.parametrize("setting", ["HEARTH_PORT", "HEARTH_TLS"])
def test_a_setting_that_makes_no_sense_is_named(setting: str, tmp_path: Any) -> None:
    server = LiveServer(tmp_path, tls=False, variables={setting: "many", "HEARTH_IDLE_TIMEOUT": "x"})
    with pytest.raises(ServerDied, match=r"HEARTH_|setting"):
        server.start()
