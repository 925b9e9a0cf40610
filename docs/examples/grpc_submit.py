"""Hands a message to the hub over gRPC and keeps its receipt.

Usage: LIANDONG_TOKEN=... python3 grpc_submit.py ADDRESS MESSAGE.json [AUTHORITY.pem]

Without the authority's file nothing is encrypted, which is for tests on one machine alone. Writes the receipt to
receipt.json and ends with 0; tells the refusal and ends with 65; ends with 75 when the same is to be sent again later.
The stubs come from proto/, as docs/grpc.md says. Needs grpcio.
"""

import json
import os
import sys

import grpc
from google.protobuf import json_format
from liandong.v1 import intake_pb2, intake_pb2_grpc

LATER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)


def channel_to(address, authority=None):
    if authority is None:
        return grpc.insecure_channel(address)
    with open(authority, "rb") as file:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()))


def main(address, path, authority=None):
    with open(path, encoding="utf-8") as file:
        request = json_format.ParseDict({"message": json.load(file)}, intake_pb2.SubmitRequest())
    token = [("authorization", f"Bearer {os.environ['LIANDONG_TOKEN']}")]
    try:
        stub = intake_pb2_grpc.IntakeStub(channel_to(address, authority))
        accepted = stub.Submit(request, metadata=token, timeout=30)
    except grpc.RpcError as error:
        print(error.code().name, error.details(), sep="\n", file=sys.stderr)
        return 75 if error.code() in LATER else 65
    with open("receipt.json", "wb") as file:
        file.write(accepted.receipt)
    print(accepted.message)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
