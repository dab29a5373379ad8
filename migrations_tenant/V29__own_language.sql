-- In which language a person reads the portal (BCP 47). NULL: the one that their browser asks for.
ALTER TABLE staff ADD COLUMN language text CHECK (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' AND length(language) <= 35);
