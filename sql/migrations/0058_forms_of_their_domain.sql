-- A form is left, and a reference replaced, where a domain says so. Two domains that ask in one form
-- part when one of them is frozen: what the frozen one keeps is no sample of the other any more.

-- As before, but by the domain and the answer type of the prompt that was asked about.
create or replace view superseded_responses as
with superseded as (
    select distinct domain, answer_type, form from forms
    except
    select domain, answer_type, form from current_forms
),

replaced as (
    select distinct domain, answer_type, model from forms where role = 'reference'
    except
    select domain, answer_type, model from current_forms where role = 'reference'
)

select responses.response_id, responses.prompt_id, responses.role
from responses
inner join prompts on responses.prompt_id = prompts.prompt_id
semi join superseded
    on
        responses.form = superseded.form
        and prompts.domain is not distinct from superseded.domain
        and prompts.answer_type = superseded.answer_type
where responses.form in (select superseded.form from superseded)
union
select responses.response_id, responses.prompt_id, responses.role
from responses
inner join prompts on responses.prompt_id = prompts.prompt_id
semi join replaced
    on
        responses.model = replaced.model
        and prompts.domain is not distinct from replaced.domain
        and prompts.answer_type = replaced.answer_type
where
    responses.role = 'reference'
    and responses.server is distinct from 'import'
    and responses.model in (select replaced.model from replaced);
