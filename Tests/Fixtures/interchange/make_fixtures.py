# Makes the fixtures of InterchangeTests: a model file by Python's safetensors, an event file by TensorBoard's own classes.
#
# Run in this folder: python make_fixtures.py
# Made with safetensors 0.8.0, torch 2.13 and tensorboard 2.21; the result is the same bytes every time.
# A file whose package is missing is left as it is.

import os
import struct


def bits(dtype, integers):
    """A tensor of exact bit patterns."""
    import torch

    kinds = {torch.float16: torch.int16, torch.bfloat16: torch.int16,
             torch.float32: torch.int32, torch.float64: torch.int64}
    size = 8 * torch.empty(0, dtype=dtype).element_size()
    signed = [value - (1 << size) if value >> (size - 1) else value for value in integers]
    return torch.tensor(signed, dtype=kinds[dtype]).view(dtype)


def write_model():
    try:
        import torch
        from safetensors.torch import save_file
    except ImportError:
        print("no torch or safetensors: python.safetensors is left as it is")
        return
    tensors = {
        "encoder.weight": torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) * 0.5 - 3,
        # Quiet and signalling NaN with payloads, -0, smallest denormal, largest denormal, infinities.
        "bits32": bits(torch.float32, [0x7FC01234, 0xFF800001, 0x80000000, 0x00000001, 0x007FFFFF,
                                       0x7F800000, 0xFF800000]),
        # 1, -2, 65504, smallest denormal, largest denormal, -0, infinity, NaN.
        "half": bits(torch.float16, [0x3C00, 0xC000, 0x7BFF, 0x0001, 0x03FF, 0x8000, 0x7C00, 0x7E01]),
        "brain": bits(torch.bfloat16, [0x3F80, 0xC000, 0x0001, 0x8000, 0x7F80]),
        "double": torch.tensor([[0.1], [-1e300], [1e-320]], dtype=torch.float64),
        "scalar": torch.tensor(42.5),
        "empty": torch.zeros(3, 0, 2),
        "long": torch.tensor([-(2**63), -1, 0, 2**63 - 1]),
        "int": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
        "byte": torch.arange(5, dtype=torch.uint8),
        "truth": torch.tensor([True, False, True]),
        "gewicht.groß \"7\"\n日本": torch.tensor([7.0]),
    }
    # One key only: safetensors writes several in random order.
    metadata = {"graph": "{\"layers\": [\"a\\b\", \"é\", \"\u2028\"]}"}
    save_file(tensors, "python.safetensors", metadata=metadata)
    os.chmod("python.safetensors", 0o644)


def masked_crc(data):
    """CRC-32C, rotated and offset as TFRecord does; bit by bit, so independent of any table."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def write_events():
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
    except ImportError:
        print("no tensorboard: python.tfevents is left as it is")
        return
    image = Summary.Image(height=2, width=3, colorspace=3, encoded_image_string=bytes(range(200)))
    values = [
        Event(wall_time=1700000000.25, file_version="brain.Event:2"),
        Event(wall_time=1700000001.5, summary=Summary(
            value=[Summary.Value(tag="loss/train", simple_value=0.0)])),
        Event(wall_time=1700000002.75, step=300, summary=Summary(value=[
            Summary.Value(tag="psnr", simple_value=28.5),
            Summary.Value(tag="größe", simple_value=float("-inf"))])),
        Event(wall_time=1700000003.0, step=2**40, summary=Summary(
            value=[Summary.Value(tag="preview", image=image)])),
    ]
    with open("python.tfevents", "wb") as file:
        for value in values:
            data = value.SerializeToString()
            length = struct.pack("<Q", len(data))
            file.write(length + struct.pack("<I", masked_crc(length)))
            file.write(data + struct.pack("<I", masked_crc(data)))


write_model()
write_events()
