-- In a transaction of its own: take out the row without a word that the migration before put in.

delete from settled where stage is null and created_at is null;
