from __future__ import annotations

import gzip
import io
import wave
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.domain.media import HEAD, by_content, by_name, extension_for, extension_of, sniff


def a_wave() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(10))
    return out.getvalue()


def a_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(zipfile.ZipInfo("a"), "b")
    return out.getvalue()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"GIF89a\x01\x00", "image/gif"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
        (a_wave(), "audio/wav"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", "application/octet-stream"),
        (b"ID3\x03\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x64\x00", "audio/mpeg"),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
        (b"\x00\x00\x00\x1cftypM4A ", "audio/mp4"),
        (b"\x00\x00\x00\x1cftypavif", "image/avif"),
        (b"\x1aE\xdf\xa3\x01", "video/webm"),
        (b"OggS\x00\x02", "audio/ogg"),
        (b"fLaC\x00", "audio/flac"),
        (b"%PDF-1.7\n", "application/pdf"),
        (a_zip(), "application/zip"),
        (gzip.compress(b"x", mtime=0), "application/gzip"),
        (b"BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00", "image/bmp"),
        (b"BMW is a make of car, and no bitmap", "text/plain"),
        (b"II*\x00\x08", "image/tiff"),
        (b"hello, world", "text/plain"),
        ("grüße".encode(), "text/plain"),
        ("é".encode() * 8 + b"\xc3", "text/plain"),  # cut inside a character
        (b"\xc3\x28 not UTF-8 at all", "application/octet-stream"),
        (b"\xff\xfe\x00\x01", "application/octet-stream"),
        (b"text\x00with a zero", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_first_bytes(head: bytes, expected: str) -> None:
    assert sniff(head, "upload") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("a.png", "image/png"), ("A.B.JPEG", "image/jpeg"), ("x.webp", "image/webp"), ("x.wav", "audio/wav")),
        *(
            ("x.mp4", "video/mp4"),
            ("x.txt", "text/plain"),
            ("x.glb", "model/gltf-binary"),
            ("x.doc", "application/msword"),
        ),
        *(("x", None), (".png", None), ("x.", None), ("x.nosuch", None), ("v1.5 final", None), ("", None)),
    ],
)
def test_names(name: str, expected: str | None) -> None:
    assert by_name(name) == expected


def test_a_known_extension_counts_more_than_the_bytes() -> None:
    assert sniff(a_zip(), "report.docx").endswith("wordprocessingml.document")
    assert sniff(b"\x89PNG\r\n\x1a\n", "picture.strange") == "image/png"


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        *(("image/png", ".png"), ("image/jpeg", ".jpg"), ("IMAGE/JPEG; q=1", ".jpg"), ("audio/x-wav", ".wav")),
        *(("text/plain; charset=utf-8", ".txt"), ("text/html", ".html"), ("application/octet-stream", "")),
        *(("application/x-unheard-of", ""), ("", ""), ("application/pdf", ".pdf"), ("video/mp4", ".mp4")),
    ],
)
def test_extensions(content_type: str, expected: str) -> None:
    assert extension_for(content_type) == expected


@given(st.binary(max_size=HEAD), st.text(max_size=30))
def test_there_is_always_an_answer(head: bytes, name: str) -> None:
    content_type = sniff(head, name)
    assert content_type.count("/") == 1
    extension = extension_for(content_type)
    assert extension == "" or extension_of(f"x{extension}") == extension
    assert by_content(head) is None or "/" in str(by_content(head))
