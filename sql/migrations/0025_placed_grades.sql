-- A grade says itself what of its response is counted, so that counting need not look for it again.
-- They are null in grades of before: these are counted by way of their responses.

alter table grades add column prompt_id varchar;         -- of the response, as the next three
alter table grades add column role varchar;
alter table grades add column model varchar;
alter table grades add column completion_tokens bigint;
