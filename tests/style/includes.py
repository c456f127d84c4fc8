#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks who includes whom:

    base <- loop <- net -> tls        base <- codec        base <- registry
    lib <- broker              lib <- bench         tests see all

The public headers belong to the layer that implements them; transport.h and protocol.h are the contract on which net and
the codecs meet. The rooms of broker and bench know their top folder's shared headers, themselves, and the rooms in ROOM_MAY_SEE; protocols
never one another. liburcu stays inside loop and registry, OpenSSL inside tls.
bench/micro measures the inside of library and broker, so like the tests it may see that, and what supports them.
"""
import os
import re

import source

PUBLIC = {
    "base": {"buffer", "error", "export", "limits", "log", "message", "module", "module_path", "stats", "utf8"},
    "loop": {"loop", "worker"},
    "contract": {"protocol", "tls", "transport"},
    "net": {"lines", "listener", "serve"},
    "codec": {"codec_nats"},
    "registry": {"registry", "subject"},
}
MAY_SEE = {
    "base": {"base"},
    "loop": {"base", "loop"},
    "contract": {"base", "loop", "contract"},
    "tls": {"base", "loop", "contract", "tls"},
    "net": {"base", "loop", "contract", "net", "tls"},
    "codec": {"base", "contract", "codec"},
    "registry": {"base", "registry"},
}
LAYER_OF = {name: layer for layer, names in PUBLIC.items() for name in names}
# What rooms may know of their top folder.
ROOMS_SHARE = {"broker/route.h", "broker/settings.h", "broker/container.h", "broker/utf8.h", "broker/figures.h",
               "broker/json.h", "broker/about.h", "broker/clock_ns.h",
               "bench/commands.h"}
ROOM_MAY_SEE = {
    "broker/conf": set(),
    "broker/access": {"conf"},
    "broker/nats": {"access"},
    "broker/ops": {"conf", "access"},
    "broker/handlers": {"conf", "ops"},
    "broker/packaging": {"ops"},
    "broker/monitor": {"conf", "access", "ops", "nats"},
    "bench/figures": set(),
    "bench/machine": {"figures"},
    "bench/client": {"machine", "figures"},
    "bench/report": {"figures"},
    "bench/scenarios": {"client", "machine", "figures", "report"},
    "bench/compare": {"machine", "figures", "report"},
}
MICRO_MAY_SEE = ("bench/", "lib/", "broker/", "tests/support/")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def layer_of_file(path):
    """The layer of a library file or public header; None for the rest of the project."""
    parts = path.split("/")
    if parts[0] == "lib" and len(parts) > 2 and parts[1] in MAY_SEE:
        return parts[1]
    if parts[0] == "include":
        return LAYER_OF.get(os.path.splitext(parts[-1])[0], "unknown")
    return None


def resolve(root, path, name, headers):
    """The file that a quoted include means (of several: one of the same top folder, else of lib/), or None."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    if os.path.exists(os.path.join(root, beside)):
        return beside
    known = [header for header in headers if header == name or header.endswith("/" + name)]
    top = path.split("/")[0] + "/"
    return min(known, key=lambda header: (not header.startswith(top), not header.startswith("lib/"), header), default=None)


def check_tern(path, name, layer):
    """<tern/NAME.h> from a file of the given layer."""
    theirs = LAYER_OF.get(name)
    if theirs is None:
        return f"tern/{name}.h is in no layer; add it to PUBLIC in tests/style/includes.py"
    if layer in MAY_SEE and theirs not in MAY_SEE[layer]:
        return f"{layer} must not know tern/{name}.h, which belongs to {theirs}"
    return None


def check_system(path, name, layer):
    if name.startswith("urcu") and layer not in ("loop", "registry") and not path.startswith("bench/micro/"):
        return "liburcu is known to lib/loop and lib/registry only"
    if path.startswith("include/") and name.startswith("urcu"):
        return "a public header must not show liburcu"
    if name.startswith("openssl/") and not path.startswith("lib/tls/"):
        return "OpenSSL is known to lib/tls only"
    return None


def check_library(path, target, layer):
    """A quoted include inside lib/."""
    if path.startswith("lib/examples/"):
        return None if target.startswith("lib/examples/") else "examples use public headers only"
    theirs = target.split("/")[1] if target.startswith("lib/") else "nobody in lib/"
    return None if theirs in MAY_SEE.get(layer, ()) else f"{layer} must not know {target}"


def check_rooms(top, path, target):
    """A quoted include inside broker/ or bench/."""
    if not target.startswith(top + "/"):
        return f"{top} includes <tern/...> and its own files only, not {target}"
    ours = path.split("/")[1] if path.count("/") > 1 else None
    theirs = target.split("/")[1] if target.count("/") > 1 else None
    if ours is None or ours == theirs:
        return None
    if theirs is None:
        return None if target in ROOMS_SHARE else f"{ours} must not know {target}"
    return None if theirs in ROOM_MAY_SEE.get(f"{top}/{ours}", ()) else f"the room {ours} must not know {target}"


def check(root, path, headers):
    layer = layer_of_file(path)
    text = source.read(root, path)
    _, comments = source.split_comments(text)
    for match in INCLUDE.finditer(text):
        if comments[match.start(2)] != " ":
            continue  # inside a comment
        quoted, name = match.group(1) == '"', match.group(2)
        fault = None
        if name.startswith("tern/"):
            fault = "public headers are included with <>" if quoted else check_tern(path, name[5:-2], layer)
        elif not quoted:
            fault = check_system(path, name, layer)
        elif path.startswith("include/"):
            fault = "public headers include <tern/...> and the system's headers only"
        elif not path.startswith("tests/"):
            target = resolve(root, path, name, headers)
            if target is None:
                fault = "no such file in the project; the system's headers are included with <>"
            elif path.startswith("lib/"):
                fault = check_library(path, target, layer)
            elif path.startswith("bench/micro/"):
                fault = None if target.startswith(MICRO_MAY_SEE) else f"bench/micro must not know {target}"
            else:
                fault = check_rooms(path.split("/")[0], path, target)
        if fault:
            yield f"{path}:{source.line_of(text, match.start())}: {name}: {fault}"


def main():
    root = source.root_argument()
    headers = source.files(root, (".h",))
    # tests see all, system libraries included
    paths = [path for path in source.files(root, (".c", ".h")) if not path.startswith("tests/")]
    source.report([finding for path in paths for finding in check(root, path, headers)], len(paths))


if __name__ == "__main__":
    main()
