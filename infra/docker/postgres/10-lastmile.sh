#!/bin/bash
# Runs once, as superuser, when the data folder is made: the database and the role that Lastmile starts as.
# Use it on a server of your own as well:
#   LASTMILE_PASSWORD_FILE=... POSTGRES_USER=postgres bash 10-lastmile.sh
set -euo pipefail

: "${LASTMILE_PASSWORD_FILE:?the file that holds the password of the role lastmile}"
database=${LASTMILE_DATABASE:-lastmile}

# psql reads the password itself: a process list shows arguments.
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -v database="$database" --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set password `cat "$LASTMILE_PASSWORD_FILE"`
CREATE ROLE lastmile LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE :"database" OWNER lastmile TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
\connect :"database"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO lastmile;

-- Only a superuser can take these from everybody. The first is the way out of a tenant's role that a plain SELECT has
-- (set_config('role', ...)), the second the way to run blocks of code. The role that migrates keeps both.
REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO lastmile WITH GRANT OPTION;
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO lastmile WITH GRANT OPTION;
-- Large objects belong to no schema and would escape every quota; nothing here uses them.
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_create(oid), pg_catalog.lo_creat(integer), pg_catalog.lo_from_bytea(oid, bytea),
    pg_catalog.lo_import(text), pg_catalog.lo_import(text, oid) FROM PUBLIC;
SQL
