-- Where a pair goes: what descends from seeds that are kin goes together, by the hash of their anchor,
-- so that a later release leaves every pair on its side. `validation_below` bounds eight hex digits.
create macro split_of(root_id, anchor_id, validation_below) as if(
    left(sha256('split:' || coalesce(anchor_id, root_id)), 8) < validation_below,
    'validation',
    'train'
);
