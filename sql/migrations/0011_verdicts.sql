-- A verdict that only a limit of time gave is tried again in a later run: which try it was.

alter table grades add column attempt integer; -- 1, 2, …; null where nobody counted
