"""Content types: from names, from the first bytes, and back to an extension.

The table is our own where Python's differs between versions or machines (`mimetypes` reads /etc/mime.types
if asked through its module functions; the class used here does not).
"""

from __future__ import annotations

from mimetypes import MimeTypes

DEFAULT = "application/octet-stream"

_BY_EXTENSION = {
    ".aac": "audio/aac",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".flac": "audio/flac",
    ".gguf": "application/octet-stream",
    ".gif": "image/gif",
    ".glb": "model/gltf-binary",
    ".gz": "application/gzip",
    ".heic": "image/heic",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".m4a": "audio/mp4",
    ".md": "text/markdown",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".npy": "application/octet-stream",
    ".obj": "model/obj",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".ply": "application/octet-stream",
    ".png": "image/png",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".safetensors": "application/octet-stream",
    ".srt": "application/x-subrip",
    ".svg": "image/svg+xml",
    ".tar": "application/x-tar",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".txt": "text/plain",
    ".vtt": "text/vtt",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
}
_PREFERRED = {
    "application/octet-stream": "",
    "audio/mp3": ".mp3",
    "audio/wave": ".wav",
    "audio/x-wav": ".wav",
    "audio/vnd.wave": ".wav",
    "audio/x-flac": ".flac",
    "audio/x-m4a": ".m4a",
    "image/jpg": ".jpg",
    "text/xml": ".xml",
    "application/x-gzip": ".gz",
    "application/x-zip-compressed": ".zip",
    "application/x-yaml": ".yaml",
}
_PYTHON = MimeTypes()

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS = {
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
}
HEAD = 512
"""Bytes from the beginning of a file that `sniff` can make use of."""


def sniff(head: bytes, name: str) -> str:
    """The content type of a file: by its extension if that is a known one, else by its first bytes
    (`HEAD` of them suffice), else `text/plain` for UTF-8 text, else `application/octet-stream`."""
    return by_name(name) or by_content(head) or (_text(head) and "text/plain") or DEFAULT


def by_name(name: str) -> str | None:
    """The content type that the extension of `name` stands for."""
    extension = extension_of(name)
    if not extension:
        return None
    return _BY_EXTENSION.get(extension) or _PYTHON.types_map[True].get(extension)


def by_content(head: bytes) -> str | None:
    """The content type that the first bytes give away."""
    for magic, content_type in _MAGIC:
        if head.startswith(magic):
            return None if magic == b"BM" and not _is_bitmap(head) else content_type
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[1] & 0x18 != 0x08:
        return "audio/mpeg"  # a bare MPEG audio frame: 11 sync bits, a defined version, layer III
    return None


def extension_of(name: str) -> str:
    """`.png` of `a.b.PNG`; empty where there is none that looks like one."""
    stem, dot, extension = name.rpartition(".")
    known = bool(dot and stem) and 1 <= len(extension) <= 12 and extension.isascii() and extension.isalnum()
    return f".{extension.lower()}" if known else ""


def extension_for(content_type: str) -> str:
    """The usual extension for a content type, with its dot; empty for unknown types and for plain bytes."""
    bare = content_type.partition(";")[0].strip().lower()
    if bare in _PREFERRED:
        return _PREFERRED[bare]
    for extension, known in _BY_EXTENSION.items():
        if known == bare:
            return extension
    return next((e for e in _PYTHON.types_map_inv[True].get(bare, ())), "")


def _is_bitmap(head: bytes) -> bool:
    """`BM` begins much text too: a bitmap has four zero bytes reserved at 6 and a small header size at 14."""
    return len(head) >= 18 and head[6:10] == bytes(4) and head[15:18] == bytes(3)


def _text(head: bytes) -> bool:
    if not head or b"\x00" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.end >= len(head) and len(head) - error.start < 4  # cut inside the last character
    return True
