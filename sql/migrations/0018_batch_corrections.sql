-- A batch has a round of correction as well: what was not of the form asked for is shown to the model.

alter table batch_retries add column spoilt varchar;  -- the answer of the wrong form; null: none
