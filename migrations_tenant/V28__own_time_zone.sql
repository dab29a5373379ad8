-- In which zone a person is shown times (an IANA name). NULL: the provider's.
ALTER TABLE staff ADD COLUMN time_zone text CHECK (time_zone <> '' AND length(time_zone) <= 100);
