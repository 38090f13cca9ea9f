"""Plain repairs put into the tree of a draft, so that a second look finds what the first fault hid."""

from __future__ import annotations

from trialkit.protocol.faults import Told
from trialkit.protocol.nodes import Entries, Items, Scalar, at


def mend(said: Told, tree: Entries) -> bool:
    """Put the repair into the tree, so that a second look finds what the first fault hid; whether there was one."""
    if said.key:
        holder = at(tree, said.path[:-1])[0]
        entry = holder.find(str(said.path[-1])) if isinstance(holder, Entries) else None
        if not (said.instead and entry and isinstance(holder, Entries)) or holder.find(said.instead):
            return False
        holder.entries[holder.entries.index(entry)] = (Scalar(said.instead, entry[0].place), entry[1])
        return True
    node = at(tree, said.path)[0]
    if not said.instead or not isinstance(node, Scalar) or node.text == said.instead:
        return False
    if said.instead.startswith("["):
        return _mend_list(said, node, tree)
    if said.code == "E_COMMA":
        _drop_split(said, node, tree)
    node.text = said.instead
    return True


def _mend_list(said: Told, node: Scalar, tree: Entries) -> bool:
    holder = at(tree, said.path[:-1])[0]
    if isinstance(holder, Entries) and (entry := holder.find(str(said.path[-1]))) and entry[1] is node:
        holder.entries[holder.entries.index(entry)] = (entry[0], Items(node.place, [node]))
        return True
    return False


def _drop_split(said: Told, node: Scalar, tree: Entries) -> None:
    """Take away the key or item that the decimals of ``0,4`` had become."""
    holder = at(tree, said.path[:-1])[0]
    if isinstance(holder, Items):
        place = next(number for number, item in enumerate(holder.items) if item is node)
        del holder.items[place + 1]
    elif isinstance(holder, Entries) and (entry := holder.find(said.instead.partition(".")[2])):
        holder.entries.remove(entry)
