"""Changed safetensors files: whatever the bytes, the answer is an outline or one of our errors."""

import json

from saved_files import mutations
from shipway.errors import SourceDamagedError
from shipway.sources.files.safetensors_file import looks_like_safetensors, read_safetensors


def test_changed_files_raise_our_errors_only(tmp_path):
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "BF16", "shape": [], "data_offsets": [24, 26]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "a.safetensors"
    refused = 0
    for data in mutations(len(text).to_bytes(8, "little") + text + bytes(26), 500):
        path.write_bytes(data)
        looks_like_safetensors(path)
        try:
            read_safetensors(path)
        except SourceDamagedError:
            refused += 1
    assert refused > 250
