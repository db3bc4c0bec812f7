-- critical: No verifier contradicts another about a released response.
select measured.pair_id, 'verifiers disagree about response ' || measured.response_id as detail
from measured
inner join expected_contradicted on measured.response_id = expected_contradicted.response_id
order by measured.pair_id
