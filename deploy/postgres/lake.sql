-- The database of the store's catalog, beside the one that Prefect keeps its runs in.
create database lake;
