-- One row per root that was ever tied to another one.
select root_id from current_kin
