"""Checks that a receipt's statement is in its signed batch, and writes what openssl needs for the rest.

Usage: python3 check-receipt.py receipt.json
Then:  openssl pkeyutl -verify -pubin -inkey hub.pub.pem -rawin -in signed.txt -sigfile signature
and for an SM2 key also:  -digest sm3 -pkeyopt distid:1234567812345678
"""

import base64, hashlib, json, sys
line = open(sys.argv[1], "rb").read()
cut = line.rindex(b',"proof":')
leaf, proof = line[len(b'{"statement":'):cut], json.loads(line)["proof"]
node, place, last = hashlib.sha256(b"\0" + leaf).digest(), proof["index"], proof["batch_size"] - 1
for other in map(bytes.fromhex, proof["path"]):
    if place % 2 or place == last:
        node = hashlib.sha256(b"\1" + other + node).digest()
        while place and place % 2 == 0:
            place, last = place // 2, last // 2
    else:
        node = hashlib.sha256(b"\1" + node + other).digest()
    place, last = place // 2, last // 2
assert node.hex() == proof["root"] and last == 0, "the statement is not in the batch"
root = base64.b64encode(node).decode()
open("signed.txt", "w").write(f"liandong/statement-batch/v1\n{proof['batch_size']}\n{root}\n")
open("signature", "wb").write(base64.b64decode(proof["signature"]))
