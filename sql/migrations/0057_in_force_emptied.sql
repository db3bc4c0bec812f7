-- In a transaction of its own: take out the row without a word that the migration before put in.

delete from in_force where what is null and created_at is null;
