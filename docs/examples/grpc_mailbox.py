"""Takes deliveries out of a mailbox of the hub over gRPC, keeps each in a folder, and acknowledges it.

Usage: LIANDONG_TOKEN=... python3 grpc_mailbox.py ADDRESS FOLDER [AUTHORITY.pem]

Without the authority's file nothing is encrypted, which is for tests on one machine alone. Runs until it is stopped.
The stubs come from proto/, as docs/grpc.md says. Needs grpcio.
"""

import os
import queue
import sys
import time

import grpc
from keep import keep
from grpc_submit import channel_to
from liandong.v1 import mailbox_pb2 as m, mailbox_pb2_grpc

CREDIT = 16


def take_out(stub, folder):
    token = [("authorization", f"Bearer {os.environ['LIANDONG_TOKEN']}")]
    requests = queue.Queue()
    requests.put(m.MailboxRequest(open=m.OpenMailbox(credit=CREDIT)))
    for said in stub.Open(iter(requests.get, None), metadata=token):
        if said.WhichOneof("response") == "delivery":
            d = said.delivery
            keep(folder, d.delivery, d.body)
            requests.put(m.MailboxRequest(acknowledge=m.Acknowledge(delivery=d.delivery, lease=d.lease)))
            requests.put(m.MailboxRequest(grant=m.GrantCredit(credit=1)))
        elif said.WhichOneof("response") == "settled":
            print(said.settled.delivery, m.AnswerCount.Name(said.settled.count), flush=True)


def main(address, folder, authority=None):
    stub = mailbox_pb2_grpc.MailboxStub(channel_to(address, authority))
    while True:
        try:
            take_out(stub, folder)
        except grpc.RpcError as error:  # so ends every stream: the hub stops, the line broke
            print(error.code().name, error.details(), file=sys.stderr)
        time.sleep(5)  # what was not acknowledged comes again


if __name__ == "__main__":
    main(*sys.argv[1:])
