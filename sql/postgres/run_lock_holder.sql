-- One row per session that holds the run lock of this database: the name it goes by.
select sessions.application_name as holder
from pg_locks as locks
inner join pg_stat_activity as sessions on locks.pid = sessions.pid
inner join pg_database as databases on locks.database = databases.oid
where
    locks.locktype = 'advisory'
    and locks.granted
    and locks.classid = $1::oid
    and locks.objid = $2::oid
    and databases.datname = current_database()
