-- There is one reference at a time: when the recipe names another model, what the former one said is
-- no vote and no rate any more, as little as what was asked in another form. There may be several
-- students, so a student stays where another one is asked.

-- As before; of a role that one model has, the last form asked in, whichever model that was.
create or replace view current_forms as
select role, model, domain, answer_type, form, run_id, created_at
from forms
qualify row_number() over (
    partition by role, if(role in ('reference', 'confirmer'), null, model), domain, answer_type
    order by created_at desc
) = 1;

-- As before, and one row per response of a reference that is asked no more. Confirmations of rewrites
-- are asked in forms that nobody notes, so the model tells. What was made elsewhere stays: whose it
-- is, the recipe's `responses` say.
create or replace view superseded_responses as
with superseded as (
    select distinct form from forms
    except
    select form from current_forms
),

replaced as (
    select distinct model from forms where role = 'reference'
    except
    select model from current_forms where role = 'reference'
)

select responses.response_id, responses.prompt_id, responses.role
from responses
semi join superseded on responses.form = superseded.form
union
select responses.response_id, responses.prompt_id, responses.role
from responses
semi join replaced on responses.model = replaced.model
where responses.role = 'reference' and responses.server is distinct from 'import';
