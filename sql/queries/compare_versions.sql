-- One row is a version of a verifier that has graded something; version 0 is no verdict.
select verifier, version, count(*) as grades
from grades
where version > 0
group by all
order by verifier, version
