# SPDX-License-Identifier: Apache-2.0
"""The shape of a JSON value: which keys there are, and of what type; for comparing two servers' answers."""


def kind(value):
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def shape(value, open_maps, null_lists, name=""):
    """{key: type} of everything in a JSON value; elements of lists are one entry, `[]`. Keys of open_maps are not looked
    into; null counts as a list for the names in null_lists."""
    found = {name: kind(value)} if name else {}
    if isinstance(value, dict) and name.rsplit(".", 1)[-1] not in open_maps:
        for key, inner in value.items():
            found.update(shape(inner, open_maps, null_lists, f"{name}.{key}" if name else key))
    if isinstance(value, list):
        for inner in value:
            found.update(shape(inner, open_maps, null_lists, name + "[]"))
    if value is None and name in null_lists:
        found[name] = "list"
    return found
