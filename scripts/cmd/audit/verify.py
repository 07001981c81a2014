#!/usr/bin/env python3
"""Verifies an export of amendments by what was signed of them. It shares no code with scripts/audit and needs nothing but
Python 3.9, so that whoever trusts neither can read how it is done.

    verify.py EXPORT CHECKPOINT KEY

KEY is a verifier key, or a file of them. Ends with 0 when the export is what was signed, with 1 when it is not, after the
first bad place, and with 2 when it cannot tell.
"""
import base64, functools, hashlib, itertools, json, os, re, sys, uuid

# Ed25519 (RFC 8032, 5.1), with points in extended coordinates.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, BASE_Y = -121665 * pow(121666, -1, P) % P, 4 * pow(5, -1, P) % P

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def multiply(n, p):
    total = (0, 1, 1, 0)
    while n:
        total, p, n = add(total, p) if n & 1 else total, add(p, p), n >> 1
    return total

def point(y, sign):
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(xx, (P + 3) // 8, P)
    x = x if (x * x - xx) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    if (x * x - xx) % P:
        raise ValueError("a verifier key is no point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P

def is_signed(public, message, signature):
    r, s, key = signature[:32], int.from_bytes(signature[32:], "little"), int.from_bytes(public, "little")
    k = int.from_bytes(hashlib.sha512(r + public + message).digest(), "little") % ORDER
    x, y, z, _ = add(multiply(s, point(BASE_Y, 0)), multiply(ORDER - k, point(key % 2**255, key >> 255)))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return len(signature) == 64 and s < ORDER and r == (y | (x & 1) << 255).to_bytes(32, "little")

# Checkpoints (https://c2sp.org/tlog-checkpoint) in signed notes (https://c2sp.org/signed-note).
NOTE = r"([^\n]+)\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n\n((?:— [^\n]+\n)+)\n*"

def read_keys(text):
    keys = {}
    for name, number, key in (word.split("+", 2) for word in text.split()):
        key = base64.b64decode(key, validate=True)
        if len(key) != 33 or key[0] != 1 or hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] != number:
            raise ValueError("a verifier key is malformed")
        keys[name, bytes.fromhex(number)] = key[1:]
    return keys

def read_checkpoints(notes, keys):
    if not re.fullmatch(f"(?:{NOTE})+", notes):
        raise ValueError("a checkpoint is malformed")
    checkpoints = []
    for origin, size, root, signatures in re.findall(NOTE, notes):
        vouched = False
        for name, signature in (line[2:].rsplit(" ", 1) for line in signatures.splitlines()):
            signature = base64.b64decode(signature, validate=True)
            key = keys.get((name, signature[:4]))
            if key and not is_signed(key, f"{origin}\n{size}\n{root}\n".encode(), signature[4:]):
                raise ValueError("a checkpoint's signature is wrong")
            vouched |= key is not None and name == origin
        if not vouched:
            raise ValueError("a checkpoint is of no key that is known")
        checkpoints.append((int(size), root))
    return sorted(checkpoints)  # who signs at the same time keeps them in any order

# Amendments, one a line, each in one form.
MEMBERS = {"seq": int, "entity_type": str, "entity_id": str, "version": int, "action": str, "actor": dict, "at": str,
           "change": dict, "previous_hash": str, "hash": str}

def dump(value, **how):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), **how)

def has_number(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return type(value) in (int, float) or any(map(has_number, inner))

def read_line(line):
    a = json.loads(line.decode())
    if [(name, type(value)) for name, value in a.items()] != list(MEMBERS.items()) or list(a["actor"]) != ["issuer", "role", "subject"]:
        raise ValueError("it has other members than an amendment")
    hashes = a["actor"]["subject"], a["previous_hash"], a["hash"]
    if (dump(a).encode() != line or dump(a["change"]) != dump(a["change"], sort_keys=True) or has_number(a["change"])
            or str(uuid.UUID(a["entity_id"])) != a["entity_id"] or not all(re.fullmatch("[0-9a-f]{64}", h) for h in hashes)
            or not all(isinstance(value, str) for value in a["actor"].values())):
        raise ValueError("it is not written in the one form of an amendment")
    text = {name: value for name, value in a.items() if name not in ("seq", "hash")} | {"version": str(a["version"])}
    if hashlib.sha256(dump(text, sort_keys=True).encode()).hexdigest() != a["hash"]:
        raise ValueError("it has another hash: something in it was changed")
    return a

def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()

def faults(lines, checkpoints):
    """Yields places and what is wrong there, not always the first one first."""
    size, vouched, chains = 0, 0, {}
    roots = []  # of the whole subtrees of the tree over all that was read (RFC 6962, 2.1), the largest first
    for line in itertools.chain(lines, [None]):
        while checkpoints and checkpoints[0][0] == size:
            root = functools.reduce(lambda right, left: node(left, right), reversed(roots)) if roots else hashlib.sha256().digest()
            if base64.b64encode(root).decode() != checkpoints.pop(0)[1]:
                yield vouched + 1, f"it, or one of those up to {size}, is not the one that was signed"
                return
            vouched = size
        if line is None:
            break
        try:
            a = read_line(line.removesuffix(b"\n").removesuffix(b"\r"))
            if a["seq"] != size + 1:
                raise ValueError(f"its place should be {size + 1} and is {a['seq']}")
        except (ValueError, TypeError, RecursionError) as error:
            yield size + 1, error
            return
        entity, begins = (a["entity_type"], a["entity_id"]), a["action"] in ("create", "adopt")
        version, before = chains.get(entity, (a["version"] - 1, "0" * 64))
        if begins == (entity in chains) or (a["version"], a["previous_hash"]) != (version + 1, before):
            yield size + 1, "it does not follow from the version of its entity before it"
        chains[entity] = a["version"], a["hash"]
        leaf, n, size = hashlib.sha256(b"\x00" + bytes.fromhex(a["hash"])).digest(), size, size + 1
        while n & 1:
            leaf, n = node(roots.pop(), leaf), n >> 1
        roots.append(leaf)
    if checkpoints:
        yield size + 1, f"it is missing: {checkpoints[0][0]} were signed"

def verify(export, checkpoint, key):
    if os.path.exists(key):
        with open(key, encoding="utf-8") as keys:
            key = keys.read()
    with open(checkpoint, encoding="utf-8", newline="") as notes:
        checkpoints = read_checkpoints(notes.read(), read_keys(key))
    last = checkpoints[-1][0]
    with open(export, "rb") as lines:
        bad = min(faults(lines, checkpoints), key=lambda fault: fault[0], default=None)
    if bad:
        print(f"amendment {bad[0]}: {bad[1]}", file=sys.stderr)
        return 1
    print(f"good: amendments up to {last} are what was signed")
    return 0

def main(*arguments):
    try:
        return verify(*arguments)
    except (ValueError, OSError, TypeError) as error:
        print(error, file=sys.stderr)
        return 2

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
