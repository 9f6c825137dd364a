"""Hostile model files: each maker writes one, and no reading of any may create the sentinel.

The tables give, by the module that refuses them, what the refusal says. Nothing is ever taken out of them.
"""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import subprocess
import tarfile
import zipfile

import pytest
import torch

from sovits_cli.checkpoints.torch_files import load_torch_file
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from tests.differences import differences


class Asks:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def in_zip(path, body, *, storages=(), extra=()):
    """A torch zip file around a hand-made pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", body)
        archive.writestr("a/version", "3\n")
        for name, data in (*storages, *extra):
            archive.writestr(name, data)


def touch(sentinel):
    return f"touch {sentinel}"


def tensor_pickle(*, count, shape, stride=(1,), offset=0, key="0", kind="FloatStorage"):
    """The pickle of a dictionary with one tensor, with any claims."""
    out = io.BytesIO()

    class Writer(pickle._Pickler):
        def persistent_id(self, value):
            return ("storage", storage_type, key, "cpu", count) if value is storage else None

    storage, storage_type = object(), getattr(torch, kind)
    Writer(out, protocol=2).dump(
        {"a": Asks(torch._utils._rebuild_tensor_v2, storage, offset, shape, stride, False, {})}
    )
    return out.getvalue()


def system_call(path, sentinel):
    torch.save({"weight": Asks(os.system, touch(sentinel))}, path)


def system_call_in_a_stream(path, sentinel):
    torch.save({"weight": Asks(os.system, touch(sentinel))}, path, _use_new_zipfile_serialization=False)


def bare_pickle(path, sentinel):
    path.write_bytes(pickle.dumps(Asks(os.system, touch(sentinel))))


def oldest_protocol(path, sentinel):
    in_zip(path, f"cos\nsystem\n(S'{touch(sentinel)}'\ntR.".encode())


def old_instance(path, sentinel):
    in_zip(path, f"(S'{touch(sentinel)}'\nios\nsystem\n.".encode())


def object_opcode(path, sentinel):
    in_zip(path, f"(cos\nsystem\nS'{touch(sentinel)}'\no.".encode())


def evaluated(path, sentinel):
    torch.save({"info": Asks(eval, f"open({str(sentinel)!r}, 'w')")}, path)


def executed(path, sentinel):
    torch.save({"info": Asks(exec, f"open({str(sentinel)!r}, 'w')")}, path)


def attribute_chain(path, sentinel):
    torch.save(Asks(getattr, Asks(__import__, "os"), "system"), path)


def nested_calls(path, sentinel):
    torch.save({"a": [{"b": (Asks(print, Asks(os.system, touch(sentinel))),)}]}, path)


def subprocess_call(path, sentinel):
    torch.save(Asks(subprocess.check_output, ["touch", str(sentinel)]), path)


def dotted_name(path, sentinel):
    body = b"\x80\x04\x8c\x0bcollections\x8c\x20OrderedDict.__init__.__globals__\x93."
    in_zip(path, body)


def allowed_module_other_name(path, sentinel):
    in_zip(path, f"ctorch.hub\nload\n(S'{sentinel}'\nS'x'\nS'local'\ntR.".encode())


def torch_load_inside(path, sentinel):
    in_zip(path, f"ctorch.serialization\nload\n(S'{sentinel}'\ntR.".encode())


def open_a_file(path, sentinel):
    torch.save(Asks(builtins.open, str(sentinel), "w"), path)


def storage_called(path, sentinel):
    in_zip(path, b"ctorch\nFloatStorage\n(I1000000000000\ntR.")


def hparams_called_with_arguments(path, sentinel):
    in_zip(path, f"cutils\nHParams\n(S'{sentinel}'\ntR.".encode())


def persistent_id_of_a_call(path, sentinel):
    in_zip(path, f"(S'storage'\ncos\nsystem\n(S'{touch(sentinel)}'\ntRS'0'\nS'cpu'\nI1\ntQ.".encode())


def extension_code(path, sentinel):
    in_zip(path, b"\x82\x01.")


def torchscript(path, sentinel):
    in_zip(path, b"}.", extra=[("a/constants.pkl", b"}."), ("a/code/main.py", b"import os")])


def truncated_zip(path, sentinel):
    torch.save({"a": torch.ones(10_000)}, path)
    path.write_bytes(path.read_bytes()[:20_000])


def zip_cut_in_its_directory(path, sentinel):
    torch.save({"a": torch.ones(10)}, path)
    path.write_bytes(path.read_bytes()[:-40])


def zip_bomb(path, sentinel):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", tensor_pickle(count=5_000_000, shape=(5_000_000,)))
        archive.writestr("a/data/0", bytes(20_000_000))


def lying_zip_sizes(path, sentinel):
    in_zip(path, b"}.")
    body = bytearray(path.read_bytes())
    at = body.index(b"PK\x01\x02")
    struct.pack_into("<2L", body, at + 20, 2**31, 2**31)
    path.write_bytes(body)


def lying_zip_count(path, sentinel):
    in_zip(path, b"}.")
    body = bytearray(path.read_bytes())
    struct.pack_into("<2H", body, body.index(b"PK\x05\x06") + 8, 60_000, 60_000)
    path.write_bytes(body)


def overlapping_entries(path, sentinel):
    in_zip(path, b"}.", storages=[("a/data/0", bytes(64)), ("a/data/1", bytes(64))])
    body = bytearray(path.read_bytes())
    at = body.rindex(b"PK\x01\x02", 0, body.rindex(b"PK\x01\x02"))
    struct.pack_into("<2L", body, at + 20, 110, 110)
    path.write_bytes(body)


def entry_twice(path, sentinel):
    in_zip(path, b"}.", storages=[("a/data/0", bytes(64)), ("a/data/1", bytes(64))])
    path.write_bytes(path.read_bytes().replace(b"a/data/1", b"a/data/0"))


def path_out_of_the_file(path, sentinel):
    in_zip(path, b"}.", extra=[("a/../../../../tmp/evil", b"x")])


def absolute_path(path, sentinel):
    in_zip(path, b"}.", extra=[("/etc/evil", b"x")])


def storage_claims_more(path, sentinel):
    in_zip(path, tensor_pickle(count=10**12, shape=(10**12,)), storages=[("a/data/0", bytes(64))])


def tensor_claims_more(path, sentinel):
    in_zip(path, tensor_pickle(count=16, shape=(10**12,)), storages=[("a/data/0", bytes(64))])


def tensor_repeats_one_value(path, sentinel):
    in_zip(path, tensor_pickle(count=16, shape=(10**12,), stride=(0,)), storages=[("a/data/0", bytes(64))])


def tensor_before_its_storage(path, sentinel):
    in_zip(path, tensor_pickle(count=16, shape=(4,), offset=-4), storages=[("a/data/0", bytes(64))])


def storage_missing(path, sentinel):
    in_zip(path, tensor_pickle(count=16, shape=(16,), key="../../etc/passwd"), storages=[("a/data/0", bytes(64))])


def stream_claims_more(path, sentinel):
    torch.save({"a": torch.ones(1000)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-10])


def huge_memo_index(path, sentinel):
    in_zip(path, b"}r\xff\xff\xff\x7f.")


def huge_bytes(path, sentinel):
    in_zip(path, b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".")


def huge_text(path, sentinel):
    in_zip(path, b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"a.")


def endless_number(path, sentinel):
    in_zip(path, b"I" + b"9" * 1_000_000 + b"\n.")


def deep_key(path, sentinel):
    in_zip(path, b"})" + b"\x85" * 50_000 + b"Ns.")


def many_objects(path, sentinel):
    in_zip(path, b"(" + b"}" * 1_100_000 + b"l.")


def text(body):
    """The opcode of a text, which is remembered (`MEMOIZE`) and taken off the stack."""
    return b"\x8d" + struct.pack("<Q", len(body)) + body + b"\x940"


def one_text_encoded_again_and_again(path, sentinel):
    """Each six bytes ask for another copy of the text before them: 100 kB for 2 GB."""
    names = b"c_codecs\nencode\n\x940" + text(b"x" * 20_000) + text(b"latin1") + b"h\x01h\x02\x86\x940"
    in_zip(path, b"\x80\x04" + names + b"(" + b"h\x00h\x03R" * 16_000 + b"l.")


def pairs_copied_again_and_again(path, sentinel):
    """A list of pairs becomes a dictionary as often as five bytes say so: 100 kB for 200 million items."""
    pairs = b"(" + b"".join(b"\x8c\x08" + f"{i:08}".encode() + b"N\x86" for i in range(4000)) + b"l\x85\x940"
    in_zip(path, b"\x80\x04ccollections\nOrderedDict\n\x940" + pairs + b"h\x00h\x01R0" * 50_000 + b"N.")


def state_copied_again_and_again(path, sentinel):
    pairs = b"".join(b"\x8c\x08" + f"{i:08}".encode() + b"N" for i in range(4000))
    state = b"}\x94(" + pairs + b"u0"
    in_zip(path, b"\x80\x04cutils\nHParams\n)\x81" + state + b"h\x00b" * 50_000 + b".")


def paths_joined_again_and_again(path, sentinel):
    made = b"cpathlib\nPath\n\x940" + text(b"a/" * 10_000) + b"h\x01\x85\x940"
    in_zip(path, b"\x80\x04" + made + b"(" + b"h\x00h\x02R" * 20_000 + b"l.")


def path_of_many_parts(path, sentinel):
    in_zip(path, b"\x80\x04cpathlib\nPath\n" + text(b"a/" * 100_000)[:-1] + b"\x85R.")


def tensors_without_end(path, sentinel):
    """One tensor's description, used over and over."""
    name, arguments = b"h\x02", b"h\x0b"  # where `tensor_pickle` remembers them
    body = tensor_pickle(count=16, shape=(2,))[:-1] + b"(" + (name + arguments + b"R") * 30_000 + b"l."
    in_zip(path, body, storages=[("a/data/0", bytes(64))])


def doubled_lists(times):
    """A list of twice the list before, and so on: small to write so, endless to write out."""
    doubled = (b"0(h" + bytes([level]) + b"h" + bytes([level]) + b"l\x94" for level in range(times))
    return b"]\x94" + b"".join(doubled)


def name_of_endless_text(path, sentinel):
    in_zip(path, b"\x80\x04" + doubled_lists(60) + b"\x8c\x01a\x93.")


def storage_keys_of_endless_text(path, sentinel):
    torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    body = path.read_bytes()
    at = body.rindex(b"\x80\x02]q\x00")
    path.write_bytes(body[:at] + b"\x80\x04(" + doubled_lists(60) + b"l.")


def no_end(path, sentinel):
    in_zip(path, b"}}}")


def empty_stack(path, sentinel):
    in_zip(path, b"0000R.")


def other_zip(path, sentinel):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def big_endian(path, sentinel):
    in_zip(path, b"}.", extra=[("a/byteorder", "big")])


def old_tar(path, sentinel):
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("pickle")
        info.size = 2
        archive.addfile(info, io.BytesIO(b"}."))


def empty_file(path, sentinel):
    path.write_bytes(b"")


def text_file(path, sentinel):
    path.write_text("this is not a model\n" * 20)


def web_page(path, sentinel):
    path.write_text("<!DOCTYPE html><html>sign in</html>")


def lfs_pointer(path, sentinel):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def wrong_magic(path, sentinel):
    path.write_bytes(bytes(range(256)) * 40)


def folder(path, sentinel):
    path.mkdir()


def absent(path, sentinel):
    pass


PICKLES = {
    system_call: "system; a checkpoint is data",
    system_call_in_a_stream: "system; a checkpoint is data",
    bare_pickle: "system; a checkpoint is data",
    oldest_protocol: "asks to run os.system; a checkpoint is data",
    old_instance: "asks to make os system",
    object_opcode: "asks to run os.system",
    evaluated: "builtin",
    executed: "builtin",
    attribute_chain: "getattr; a checkpoint is data",
    nested_calls: "a checkpoint is data",
    subprocess_call: "check_output; a checkpoint is data",
    dotted_name: "collections.OrderedDict.__init__",
    allowed_module_other_name: "torch.hub.load",
    torch_load_inside: "torch.serialization.load",
    open_a_file: "io.open",
    persistent_id_of_a_call: "asks to run os.system",
    extension_code: "EXT1",
    huge_bytes: "bytearray8",
    huge_text: "damaged pickle",
    endless_number: "damaged pickle",
    deep_key: "a tuple as a key",
    many_objects: "too many operations",
    name_of_endless_text: "a global whose name is no text",
    no_end: "damaged pickle",
    empty_stack: "damaged pickle",
}
"""Refused by `restricted_unpickler.py`."""

CONSTRUCTORS = {
    storage_called: "asks to call torch.FloatStorage",
    hparams_called_with_arguments: "damaged pickle",
    storage_claims_more: "claims a tensor storage of 4000000000000 bytes",
    tensor_claims_more: "a tensor of 1000000000000 elements over a storage of 16",
    tensor_repeats_one_value: "a tensor of 1000000000000 elements over a storage of 16",
    tensor_before_its_storage: "no storage",
    storage_missing: "claims a tensor storage",
    one_text_encoded_again_and_again: "far more memory than its size",
    pairs_copied_again_and_again: "far more memory than its size",
    state_copied_again_and_again: "far more memory than its size",
    paths_joined_again_and_again: "copies its parts again and again",
    path_of_many_parts: "a path of 200000 characters",
    tensors_without_end: "far more memory than its size",
}
"""Refused by `storages.py`, or by the budget of the constructors there."""

ZIP_FILES = {
    torchscript: "TorchScript program",
    truncated_zip: "cut short",
    zip_cut_in_its_directory: "cut short",
    zip_bomb: "compressed",
    lying_zip_sizes: "more than the file holds",
    lying_zip_count: "claims 60000 entries",
    overlapping_entries: "overlaps another",
    entry_twice: "two entries are named",
    path_out_of_the_file: "path out of the file",
    absolute_path: "path out of the file",
    other_zip: "no torch checkpoint",
}
"""Refused by `zip_archive.py`."""

OTHER_FILES = {
    stream_claims_more: "claims 4000 bytes",
    storage_keys_of_endless_text: "other tensor storages than it uses",
    big_endian: "big-endian",
    old_tar: "tar file",
    empty_file: "is empty",
    text_file: "is text",
    web_page: "web page",
    lfs_pointer: "Git LFS pointer",
    wrong_magic: "a file starting with 00 01 02 03",
    folder: "is a folder",
    absent: "does not exist",
}
"""Refused by `torch_files.py`."""

HOSTILE = {**PICKLES, **CONSTRUCTORS, **ZIP_FILES, **OTHER_FILES}


def all_are_refused(attacks, folder):
    """Each in one line with a hint, and without doing what it asks."""
    sentinel = folder / "executed"
    with differences() as compare:
        for maker, reason in attacks.items():
            with compare(maker.__name__):
                path = folder / f"{maker.__name__}.pth"
                maker(path, sentinel)
                with pytest.raises(ModelError) as caught:
                    load_torch_file(path)
                assert reason in caught.value.message
                assert str(path) in caught.value.message
                assert caught.value.message.isprintable()
                assert hint_for(caught.value) or "safetensors" in caught.value.message
                assert not sentinel.exists()
