"""Kin: seeds that duplicates tie together, so that no split parts them.

root_id  anchor_id
b07d…    9f2c…      # one of its rewrites, or itself, is a duplicate of 9f2c… or of a rewrite of it

A split goes by the hash of a root. Where a duplicate was dropped and a rewrite of it kept, the
kept one and what it is like have two roots: they go by one of them, the anchor.
"""

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.store import Store

_SCHEMA = {"root_id": pl.String, "anchor_id": pl.String}


def find_kin(ties: pl.DataFrame, released: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return root_id and anchor_id of every root that is tied to another one, by root_id.

    `ties` has root_id and other_id, and duplicate: whether that root is itself a duplicate. The
    anchor is the one that went before, of roots in a release (`released`: root_id, anchor_id), so
    that no pair changes its split because something like it came in; else the first by id of those
    that are no duplicates. Two released ones that are tied only now go by the smaller anchor.
    """
    if ties.is_empty():
        return pl.DataFrame(schema=_SCHEMA)
    roots = pl.concat([ties["root_id"], ties["other_id"]]).unique().sort()
    first, second = (roots.search_sorted(ties[name]).to_numpy() for name in ("root_id", "other_id"))
    size = len(roots)
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(size, size))
    _, group = connected_components(graph, directed=False)
    duplicates = ties.filter("duplicate")["root_id"]
    past = pl.DataFrame(schema=_SCHEMA) if released is None else released
    members = (
        pl.DataFrame({"root_id": roots, "kin": group})
        .with_columns(pl.col("root_id").is_in(duplicates.implode()).alias("duplicate"))
        .join(past.rename({"anchor_id": "past_id"}), on="root_id", how="left")
    )
    anchors = (
        members.sort("duplicate", "root_id")
        .group_by("kin")
        .agg(pl.coalesce(pl.col("past_id").min(), pl.col("root_id").first()).alias("anchor_id"))
    )
    return members.join(anchors, on="kin").sort("root_id").select("root_id", "anchor_id")


def record_kin(store: Store, run_id: str) -> int:
    """Keep in `kin` what is tied now; return how many roots have another anchor than before."""
    ties, known = store.query("release_ties"), store.query("release_kin")
    roots = pl.concat([ties["root_id"], ties["other_id"], known["root_id"]]).unique()
    released = store.query("release_split_anchors", roots=roots.to_list())
    kin = find_kin(ties, released)
    # What is tied no longer stands for itself again, unless it would change its split.
    past = known.join(pl.concat([kin, released]), on="root_id", how="anti")
    alone = past.select("root_id", pl.col("root_id").alias("anchor_id"))
    return store.append("kin", pl.concat([kin, alone]), run_id=run_id)
