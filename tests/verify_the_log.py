"""Verifies an audit log, and proofs of `audit prove`, without Strongroom's code: verify_the_log.py LOG PUBLIC_KEYS [PROOF]
Needs the package `cryptography`. Exits with 1 at the first thing that is not so."""
import base64, hashlib, json, pathlib, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
def check(so, what): so or sys.exit(what)
def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def split(n): return 1 << (n - 1).bit_length() - 1  # the largest power of two below n
def root(leaves):
    if len(leaves) < 2: return leaves[0] if leaves else sha()
    k = split(len(leaves))
    return sha(b"\1", root(leaves[:k]), root(leaves[k:]))
def climb(hashes, index, size, leaf):  # RFC 6962, section 2.1.1
    if size == 1: return leaf if not hashes else b"too many hashes"
    k, (*inner, outer) = split(size), hashes
    if index < k: return sha(b"\1", climb(inner, index, k, leaf), outer)
    return sha(b"\1", outer, climb(inner, index - k, size - k, leaf))
def note(text, keys):  # C2SP signed-note with a tlog-checkpoint: its size and root
    body, signatures = text.split("\n\n")
    for line in signatures.splitlines():
        name, raw = line[2:].split(" ")[0], base64.b64decode(line.split(" ")[2])
        if (name, raw[:4].hex()) in keys:  # raises when the signature is wrong
            keys[name, raw[:4].hex()].verify(raw[4:], (body + "\n").encode())
            check(name == body.split("\n")[0], "the checkpoint is another log's")
            return int(body.split("\n")[1]), base64.b64decode(body.split("\n")[2])
    sys.exit("no known key has signed the checkpoint")
def cbor(b, at=0):  # the part of CBOR that entries use: a value, and where it ends
    major, n, at = b[at] >> 5, b[at] & 31, at + 1
    if n > 23: n, at = int.from_bytes(b[at:at + (1 << n - 24)], "big"), at + (1 << n - 24)
    if major == 0: return n, at
    if major in (2, 3): return b[at:at + n], at + n
    if major == 7: return None, at
    items = []
    for _ in range(n * (2 if major == 5 else 1)): item, at = cbor(b, at); items.append(item)
    return (dict(zip(items[::2], items[1::2])) if major == 5 else items), at
log = pathlib.Path(sys.argv[1])
keys = {(name, number): Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
        for name, number, key in (line.split("+", 2) for line in open(sys.argv[2]))}
size, top = note((log / "checkpoint").read_text(), keys)
leaves, gone = [], 0
for n in range((size + 255) // 256):
    width = min(256, size - 256 * n)
    *above, last = [part.zfill(3) for part in f"{n:,}".split(",")]
    name = "".join(f"x{part}/" for part in above) + last + ("" if width == 256 else f".p/{width}")
    path, at = log / "tile" / "entries" / name, 0
    bundle = path.read_bytes() if width < 256 or path.exists() else b""
    if not bundle:  # dropped: its hashes still make the tree
        hashes, gone = (log / "tile" / "0" / name).read_bytes(), gone + 256
        leaves += [hashes[n:n + 32] for n in range(0, 8192, 32)]
    while at < len(bundle):
        start, at = at + 2, at + 2 + int.from_bytes(bundle[at:at + 2], "big")
        fields, end = cbor(bundle[start:at])
        check(start + end == at and fields[0] == 1 and {*range(8)} <= fields.keys(), f"entry {len(leaves)} is none")
        leaves.append(sha(b"\0", bundle[start:at]))
check(len(leaves) == size and root(leaves) == top, "the entries make another tree than was signed")
for proof in [json.load(open(path)) for path in sys.argv[3:]]:
    size, top = note(proof["checkpoint"], keys)
    leaf, hashes = base64.b64decode(proof["leaf_hash"]), [base64.b64decode(h) for h in proof["hashes"]]
    check("entry" not in proof or sha(b"\0", base64.b64decode(proof["entry"])) == leaf, "the proof has another entry")
    check(climb(hashes, proof["index"], size, leaf) == top, "the proof leads to another root")
print(f"{len(leaves)} entries, as they were signed" + (f"; {gone} of them by their hashes alone" if gone else ""))
