"""Checks an evidence file without any software of the hub's, and writes what openssl needs for the signatures.

Usage: python3 check-evidence.py evidence.json
Then, for each signed-N.txt it wrote (docs/evidence-file.md):
  openssl pkeyutl -verify -pubin -inkey hub.pub.pem -rawin -in signed-N.txt -sigfile signed-N.sig
  (with an SM2 key also: -digest sm3 -pkeyopt distid:1234567812345678)
"""

import base64, hashlib, json, sys


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(leaf, place, size, path):
    """The root that a leaf and its path lead to (RFC 9162, section 2.1.3.2)."""
    node, last = sha(b"\0", leaf), size - 1
    for other in map(bytes.fromhex, path):
        if place % 2 or place == last:
            node = sha(b"\1", other, node)
            while place and place % 2 == 0:
                place, last = place // 2, last // 2
        else:
            node = sha(b"\1", node, other)
        place, last = place // 2, last // 2
    return node if last == 0 else None


def need(holds, said):
    if not holds:
        sys.exit("FAILED: " + said)


def b64(data):
    return base64.b64encode(data).decode()


signed = []  # (text, signature), each once


def envelope(line):
    """A signed statement: its path leads to the root that was signed for its batch."""
    statement = line[len('{"statement":'):line.rindex(',"proof":')]
    proof = json.loads(line)["proof"]
    root = root_of(statement.encode(), proof["index"], proof["batch_size"], proof["path"])
    need(root and root.hex() == proof["root"], "a statement is not in its batch")
    text = f"liandong/statement-batch/v1\n{proof['batch_size']}\n{b64(root)}\n"
    pair = (text, base64.b64decode(proof["signature"]))
    if pair not in signed:
        signed.append(pair)
    return json.loads(statement), proof


file = json.load(open(sys.argv[1], encoding="utf-8"))

# 1. The checkpoint: log, size, root; the signature is over all lines before the blank one.
text, signature = file["checkpoint"].rsplit("\n\n", 1)
log, size, root = text.split("\n")[:3]
signed.append((text + "\n", base64.b64decode(signature.split(" ")[2])[4:]))

# The time stamp of an authority, for openssl ts -verify -data checkpoint.note -in stamp.der -token_in -CAfile authority.pem
if "stamp" in file:
    open("checkpoint.note", "w", encoding="utf-8", newline="").write(file["checkpoint"])
    open("stamp.der", "wb").write(base64.b64decode(file["stamp"]))

# 2. Every entry is in the tree of the checkpoint, at its position.
for entry in file["entries"]:
    reached = root_of(entry["body"].encode(), entry["position"], int(size), entry["path"])
    need(reached and b64(reached) == root, f"entry {entry['position']} is not in the tree")
bodies = {entry["position"]: json.loads(entry["body"]) for entry in file["entries"]}

# 3. The statements are one whole batch; the last one lists the contents.
proven = [envelope(line) for line in file["statements"]]
places = [(proof["index"], proof["batch_size"], proof["root"]) for _, proof in proven]
need(places == [(at, len(proven), places[0][2]) for at in range(len(proven))], "statements are missing or added")
contents = proven[-1][0]
leaves = [{"leaf": sha(b"\0", e["body"].encode()).hex(), "position": e["position"]} for e in file["entries"]]
need(contents["type"] == "contents" and contents["entries"] == leaves, "the entries are not those of the contents")
stamped = {"stamp": "sha256:" + sha(file["stamp"].encode()).hex()} if "stamp" in file else {}
need(stamped.get("stamp") == contents.get("stamp"), "the time stamp is not that of the contents")
need((contents["log"], contents["size"], contents["root"]) == (log, int(size), base64.b64decode(root).hex()),
     "the contents are of another checkpoint")

# 4. Receipts are those whose digest was sealed; what was received opens the commitments.
for message in file["messages"]:
    body = next(b for b in bodies.values() if b["event"] == "message.accepted" and b.get("message") == message["id"])
    if "receipt" in message:
        receipt = message["receipt"]
        need("sha256:" + sha(receipt.encode()).hex() == body["data"]["receipt"], "a receipt is not the sealed one")
        need(envelope(receipt)[0]["id"] == message["id"], "a receipt is of another message")
    if "opening" in message:
        opening, data = message["opening"], body["data"]
        salt, received = bytes.fromhex(opening["salt"]), base64.b64decode(opening["received"])
        for name, value in [("commitment", received), ("content", opening["content"].encode()),
                            ("decision", opening["decision"].encode())]:
            need("sha256:" + sha(salt, value).hex() == data[name], f"{name} does not open: the commitment is to other bytes")

# 5. What was sent and answered opens the commitment of its attempt; the words of targets are those of that opening.
opened = {}
for attempt in file.get("attempts", []):
    text = json.dumps(attempt["exchanged"], separators=(",", ":"), sort_keys=True)
    salted = bytes.fromhex(attempt["salt"]) + text.encode()
    open(f"exchanged-{attempt['entry']}.bin", "wb").write(salted)  # for openssl dgst -sm3: exchanged_sm3 of the entry
    digest = "sha256:" + sha(salted).hex()
    need(digest == bodies[attempt["entry"]]["data"].get("exchanged"), "exchanged does not open: other digests were sealed")
    opened[attempt["entry"]] = attempt["exchanged"]
for said in file["said"]:
    sealed = opened.get(said["entry"]) or bodies[said["entry"]]["data"]
    need("sha256:" + sha(said["words"].encode()).hex() == sealed.get("said"), "words were changed")

# 6. For openssl, and for people.
for number, (text, signature) in enumerate(signed):
    open(f"signed-{number}.txt", "w", encoding="utf-8").write(text)
    open(f"signed-{number}.sig", "wb").write(signature)
print(f"{len(signed)} signatures to check; log {log}, checkpoint of {size} entries, {text and file['checkpoint'].split(chr(10))[3]}")
for statement, _ in proven[:-1]:
    print(statement["type"], statement["delivery"], statement["organisation"], statement["at"])
for entry, exchanged in opened.items():
    print("attempt at", entry, "sent", exchanged["sent"], "answer", exchanged["answer"])
for position, body in bodies.items():
    if body["event"] == "payload.erased":
        print("at", position, "erased: what message", body["message"], "said cannot be proven any more")
