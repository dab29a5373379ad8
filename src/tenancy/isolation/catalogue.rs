//! The checks: each is one statement that answers with what should not be there (or is missing).

use super::Weight;

/// One look at the catalogue. Its statement answers `object`, `detail` and `mend`.
pub struct Check {
    pub name: &'static str,
    pub weight: Weight,
    pub sql: &'static str,
}

/// What every statement begins with: the schemas of this deployment, the listed rights, and its roles by kind.
macro_rules! looking {
    ($($rest:expr),+ $(,)?) => {
        concat!(
            "WITH known AS (SELECT $1::text AS prefix),
             room AS MATERIALIZED (
                SELECT u.schema_name, u.app, u.is_complete
                FROM unnest($2::text[], $3::text[], $4::boolean[]) AS u (schema_name, app, is_complete)),
             listed AS MATERIALIZED (
                SELECT u.table_name, u.privilege FROM unnest($5::text[], $6::text[]) AS u (table_name, privilege)),
             ours AS MATERIALIZED (
                SELECT r.oid, r.rolname::text AS name, CASE
                    WHEN r.rolname = k.prefix || '_owner' THEN 'owner'
                    WHEN r.rolname = k.prefix || '_control' THEN 'control'
                    WHEN r.rolname = k.prefix || '_tenant' THEN 'group'
                    WHEN m.schema_name IS NOT NULL THEN 'tenant'
                    ELSE 'app' END AS kind
                FROM pg_roles r CROSS JOIN known k LEFT JOIN room m ON m.schema_name = r.rolname
                WHERE m.schema_name IS NOT NULL
                    OR r.rolname IN (k.prefix || '_owner', k.prefix || '_control', k.prefix || '_tenant')
                    OR (starts_with(r.rolname, k.prefix || '_app_')
                        AND substr(r.rolname, length(k.prefix) + 6) ~ '^[0-9]+$')),
             of_extension AS MATERIALIZED (SELECT classid, objid FROM pg_depend WHERE deptype = 'e') ",
            $($rest),+
        )
    };
}

const fn hole(name: &'static str, sql: &'static str) -> Check {
    Check { name, weight: Weight::Hole, sql }
}

const fn advice(name: &'static str, sql: &'static str) -> Check {
    Check { name, weight: Weight::Advice, sql }
}

/// Every check, in the order in which findings are told.
pub const CHECKS: &[Check] = &[
    hole("role_missing", ROLE_MISSING),
    hole("role_attribute", ROLE_ATTRIBUTE),
    hole("membership_stray", MEMBERSHIP_STRAY),
    hole("membership_missing", MEMBERSHIP_MISSING),
    hole("role_setting", ROLE_SETTING),
    hole("search_path_missing", SEARCH_PATH_MISSING),
    hole("database_grant", DATABASE_GRANT),
    hole("default_privilege", DEFAULT_PRIVILEGE),
    hole("ownership", OWNERSHIP),
    hole("foreign_owner", FOREIGN_OWNER),
    hole("schema_grant", SCHEMA_GRANT),
    hole("schema_missing", SCHEMA_MISSING),
    hole("schema_leftover", SCHEMA_LEFTOVER),
    hole("table_grant", TABLE_GRANT),
    hole("column_grant", COLUMN_GRANT),
    hole("right_missing", RIGHT_MISSING),
    hole("view_rights", VIEW_RIGHTS),
    hole("definer_place", DEFINER_PLACE),
    hole("definer_path", DEFINER_PATH),
    hole("function_grant", FUNCTION_GRANT),
    hole("type_in_schema", TYPE_IN_SCHEMA),
    hole("stranger_in_ext", STRANGER_IN_EXT),
    hole("crossing_reference", CROSSING_REFERENCE),
    advice("shard_full", SHARD_FULL),
    advice("superuser_step", SUPERUSER_STEP),
];

const ROLE_MISSING: &str = looking!(
    "SELECT e.name AS object, 'the role does not exist' AS detail, 'Run lastmile migrate.' AS mend
     FROM (SELECT prefix || suffix AS name FROM known, unnest(ARRAY['_owner', '_control', '_tenant']) suffix
           UNION SELECT schema_name FROM room UNION SELECT app FROM room) e
     WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = e.name)
     ORDER BY 1 LIMIT 1000"
);

const ROLE_ATTRIBUTE: &str = looking!(
    "SELECT w.name AS object, 'has ' || array_to_string(w.wrong, ', ') AS detail,
        format('ALTER ROLE %I %s', w.name, array_to_string(w.right, ' ')) AS mend
     FROM (SELECT o.name, array_remove(ARRAY[
                CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
                CASE WHEN r.rolcreaterole AND o.kind <> 'owner' THEN 'CREATEROLE' END,
                CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
                CASE WHEN r.rolreplication THEN 'REPLICATION' END,
                CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
                CASE WHEN r.rolcanlogin AND o.kind IN ('tenant', 'group') THEN 'LOGIN' END,
                CASE WHEN NOT r.rolcanlogin AND o.kind NOT IN ('tenant', 'group') THEN 'NOLOGIN' END,
                CASE WHEN r.rolinherit AND o.kind IN ('app', 'control') THEN 'INHERIT' END,
                CASE WHEN NOT r.rolinherit AND o.kind = 'tenant' THEN 'NOINHERIT' END], NULL) AS wrong,
            array_remove(ARRAY[
                CASE WHEN r.rolsuper THEN 'NOSUPERUSER' END,
                CASE WHEN r.rolcreaterole AND o.kind <> 'owner' THEN 'NOCREATEROLE' END,
                CASE WHEN r.rolcreatedb THEN 'NOCREATEDB' END,
                CASE WHEN r.rolreplication THEN 'NOREPLICATION' END,
                CASE WHEN r.rolbypassrls THEN 'NOBYPASSRLS' END,
                CASE WHEN r.rolcanlogin AND o.kind IN ('tenant', 'group') THEN 'NOLOGIN' END,
                CASE WHEN NOT r.rolcanlogin AND o.kind NOT IN ('tenant', 'group') THEN 'LOGIN' END,
                CASE WHEN r.rolinherit AND o.kind IN ('app', 'control') THEN 'NOINHERIT' END,
                CASE WHEN NOT r.rolinherit AND o.kind = 'tenant' THEN 'INHERIT' END], NULL) AS right
           FROM ours o JOIN pg_roles r ON r.oid = o.oid) w
     WHERE w.wrong <> '{}' ORDER BY 1 LIMIT 1000"
);

// From PostgreSQL 16 on, who may create roles is made an administrator of each role it creates, by the first superuser, without
// the power to use it: that is not stray.
const MEMBERSHIP_STRAY: &str = looking!(
    "SELECT b.rolname::text AS object,
        format('is a member of %s%s', g.rolname, CASE WHEN m.admin_option THEN ' with the right to admit others' ELSE '' END) AS detail,
        format(CASE WHEN m.admin_option AND e.is_expected THEN 'REVOKE ADMIN OPTION FOR %I FROM %I' ELSE 'REVOKE %I FROM %I' END,
            g.rolname, b.rolname) AS mend
     FROM pg_auth_members m
     JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles b ON b.oid = m.member
     LEFT JOIN ours og ON og.oid = m.roleid LEFT JOIN ours ob ON ob.oid = m.member
     LEFT JOIN room ON room.schema_name = g.rolname AND room.app = b.rolname
     CROSS JOIN LATERAL (SELECT room.app IS NOT NULL OR coalesce(og.kind = 'group' AND ob.kind = 'tenant', false) AS is_expected) e
     WHERE (og.oid IS NOT NULL OR ob.oid IS NOT NULL)
        AND NOT (e.is_expected AND NOT m.admin_option)
        AND NOT (m.grantor = 10 AND b.rolcreaterole AND coalesce(to_jsonb(m) ->> 'inherit_option' = 'false', false)
            AND coalesce(to_jsonb(m) ->> 'set_option' = 'false', false))
     ORDER BY 1, 2 LIMIT 1000"
);

const MEMBERSHIP_MISSING: &str = looking!(
    "SELECT e.member AS object, 'is not a member of ' || e.role AS detail, format('GRANT %I TO %I', e.role, e.member) AS mend
     FROM (SELECT app AS member, schema_name AS role FROM room
           UNION ALL SELECT schema_name, prefix || '_tenant' FROM room CROSS JOIN known) e
     JOIN pg_roles g ON g.rolname = e.role JOIN pg_roles b ON b.rolname = e.member
     WHERE NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = g.oid AND m.member = b.oid)
     ORDER BY 1, 2 LIMIT 1000"
);

const ROLE_SETTING: &str = looking!(
    "SELECT o.name AS object, 'is set to ' || c AS detail,
        format('ALTER ROLE %I%s %s', o.name,
            CASE WHEN s.setdatabase <> 0 THEN format(' IN DATABASE %I', current_database()) ELSE '' END,
            CASE WHEN o.kind = 'app' AND c LIKE 'search_path=%' AND s.setdatabase = 0
                THEN 'SET search_path = \"$user\", ext, pg_temp' ELSE 'RESET ' || split_part(c, '=', 1) END) AS mend
     FROM pg_db_role_setting s JOIN ours o ON o.oid = s.setrole CROSS JOIN LATERAL unnest(s.setconfig) c
     WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        AND CASE
            WHEN c LIKE 'search_path=%' THEN c <> CASE o.kind
                WHEN 'app' THEN 'search_path=\"$user\", ext, pg_temp' ELSE 'search_path=pg_catalog, pg_temp' END
                OR o.kind IN ('tenant', 'group')
            ELSE c ~ '^(role|session_authorization|session_replication_role|session_preload_libraries|local_preload_libraries)=' END
     ORDER BY 1, 2 LIMIT 1000"
);

const SEARCH_PATH_MISSING: &str = looking!(
    "SELECT o.name AS object, 'has no search_path of its own: public would be in it' AS detail,
        format('ALTER ROLE %I SET search_path = \"$user\", ext, pg_temp', o.name) AS mend
     FROM ours o
     WHERE o.kind = 'app' AND NOT EXISTS (
        SELECT FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) c
        WHERE s.setrole = o.oid AND s.setdatabase = 0 AND c LIKE 'search_path=%')
     ORDER BY 1 LIMIT 1000"
);

const DATABASE_GRANT: &str = looking!(
    "SELECT d.datname::text AS object, format('%s for %s', a.privilege_type, coalesce(r.rolname, 'PUBLIC')) AS detail,
        format('REVOKE %s ON DATABASE %I FROM %s', a.privilege_type, d.datname, coalesce(quote_ident(r.rolname), 'PUBLIC')) AS mend
     FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
     LEFT JOIN pg_roles r ON r.oid = a.grantee LEFT JOIN ours o ON o.oid = a.grantee
     WHERE d.datname = current_database() AND a.grantee <> d.datdba AND CASE
        WHEN a.grantee = 0 THEN true
        WHEN o.kind = 'owner' THEN a.privilege_type = 'TEMPORARY'
        WHEN o.kind IN ('control', 'app') THEN a.privilege_type <> 'CONNECT' OR a.is_grantable
        ELSE o.kind IS NOT NULL END
     ORDER BY 1, 2 LIMIT 1000"
);

const DEFAULT_PRIVILEGE: &str = looking!(
    "SELECT r.rolname::text AS object,
        format('what it makes%s gives %s to %s', coalesce(' in ' || n.nspname, ''), a.privilege_type, coalesce(g.rolname, 'PUBLIC')) AS detail,
        format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE %s ON %s FROM %s', r.rolname, coalesce(' IN SCHEMA ' || quote_ident(n.nspname), ''),
            a.privilege_type, CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END, coalesce(quote_ident(g.rolname), 'PUBLIC')) AS mend
     FROM pg_default_acl d JOIN pg_roles r ON r.oid = d.defaclrole LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
     CROSS JOIN LATERAL aclexplode(d.defaclacl) a
     LEFT JOIN pg_roles g ON g.oid = a.grantee LEFT JOIN ours om ON om.oid = d.defaclrole LEFT JOIN ours o ON o.oid = a.grantee
     WHERE a.grantee <> d.defaclrole AND (a.grantee = 0 OR om.oid IS NOT NULL OR o.oid IS NOT NULL)
     ORDER BY 1, 2 LIMIT 1000"
);

// Only the owner role owns: what a tenant's role owns it may grant to others and alter.
const OWNERSHIP: &str = looking!(
    "SELECT coalesce(i.name, format('an object of database %s', d.datname)) AS object, 'is owned by ' || o.name AS detail,
        CASE WHEN s.dbid = here.oid THEN format('ALTER %s %s OWNER TO %I', upper(i.type), i.name, k.prefix || '_owner')
            ELSE format('REASSIGN OWNED BY %I TO ... in database %s', o.name, d.datname) END AS mend
     FROM pg_shdepend s JOIN ours o ON o.oid = s.refobjid CROSS JOIN known k
     CROSS JOIN (SELECT oid FROM pg_database WHERE datname = current_database()) here
     LEFT JOIN pg_database d ON d.oid = s.dbid
     LEFT JOIN LATERAL (SELECT x.type, x.identity AS name FROM pg_identify_object(s.classid, s.objid, s.objsubid) x
        WHERE s.dbid IN (0, here.oid)) i ON true
     WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o' AND o.kind <> 'owner'
     ORDER BY 1, 2 LIMIT 1000"
);

const FOREIGN_OWNER: &str = looking!(
    "SELECT x.name AS object, 'is owned by ' || r.rolname AS detail,
        format('ALTER %s %s OWNER TO %I', x.kind, x.name, k.prefix || '_owner') AS mend
     FROM (SELECT format('%I', n.nspname) AS name, n.nspowner AS owner, 'SCHEMA' AS kind FROM pg_namespace n JOIN room ON room.schema_name = n.nspname
           UNION ALL
           SELECT format('%I.%I', n.nspname, c.relname), c.relowner,
               CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN room ON room.schema_name = n.nspname
           WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
           UNION ALL
           SELECT p.oid::regprocedure::text, p.proowner, 'FUNCTION'
           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
           WHERE n.nspname = 'gate' OR (n.nspname = 'public' AND p.prosecdef) OR EXISTS (SELECT FROM room WHERE room.schema_name = n.nspname)) x
     CROSS JOIN known k JOIN pg_roles r ON r.oid = x.owner
     WHERE NOT EXISTS (SELECT FROM ours o WHERE o.oid = x.owner)
     ORDER BY 1 LIMIT 1000"
);

const SCHEMA_GRANT: &str = looking!(
    "SELECT n.nspname::text AS object, format('%s for %s', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type),
            coalesce(r.rolname, 'PUBLIC')) AS detail,
        format('REVOKE %s ON SCHEMA %I FROM %s', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), n.nspname,
            coalesce(quote_ident(r.rolname), 'PUBLIC')) AS mend
     FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
     LEFT JOIN pg_roles r ON r.oid = a.grantee LEFT JOIN ours o ON o.oid = a.grantee LEFT JOIN room ON room.schema_name = n.nspname
     WHERE a.grantee <> n.nspowner AND coalesce(o.kind <> 'owner', true) AND CASE
        WHEN room.schema_name IS NOT NULL
            THEN NOT coalesce(o.name = n.nspname AND a.privilege_type = 'USAGE' AND NOT a.is_grantable, false)
        WHEN n.nspname IN ('pg_catalog', 'information_schema') THEN o.kind IS NOT NULL OR a.privilege_type <> 'USAGE'
        WHEN a.grantee = 0 THEN true
        WHEN n.nspname IN ('ext', 'gate') AND o.kind = 'group' THEN a.privilege_type <> 'USAGE' OR a.is_grantable
        WHEN n.nspname = 'public' AND o.kind = 'control' THEN a.privilege_type <> 'USAGE' OR a.is_grantable
        WHEN n.nspname IN ('ext', 'gate', 'public') THEN o.kind IS NOT NULL OR a.privilege_type = 'CREATE'
        ELSE o.kind IS NOT NULL END
     GROUP BY n.nspname, r.rolname ORDER BY 1, 2 LIMIT 1000"
);

const SCHEMA_MISSING: &str = looking!(
    "SELECT room.schema_name AS object,
        CASE WHEN n.oid IS NULL THEN 'the schema does not exist' ELSE 'its own role has no USAGE' END AS detail,
        CASE WHEN n.oid IS NULL THEN 'Restore it: lastmile tenant import.'
            ELSE format('GRANT USAGE ON SCHEMA %I TO %I', room.schema_name, room.schema_name) END AS mend
     FROM room LEFT JOIN pg_namespace n ON n.nspname = room.schema_name LEFT JOIN ours o ON o.name = room.schema_name
     WHERE room.is_complete AND NOT EXISTS (
        SELECT FROM aclexplode(n.nspacl) a WHERE a.grantee = o.oid AND a.privilege_type = 'USAGE')
        AND coalesce(n.nspowner <> o.oid, true)
     ORDER BY 1 LIMIT 1000"
);

const SCHEMA_LEFTOVER: &str = looking!(
    "SELECT l.name AS object, l.what || ' of no tenant' AS detail, l.mend AS mend
     FROM (SELECT n.nspname::text AS name, 'a schema' AS what, format('DROP SCHEMA %I CASCADE', n.nspname) AS mend
           FROM pg_namespace n WHERE n.nspname ~ '^t_[a-z2-7]{12}$'
           UNION ALL
           SELECT b.rolname::text, 'a role', format('DROP ROLE %I', b.rolname)
           FROM pg_auth_members m JOIN ours o ON o.oid = m.roleid AND o.kind = 'group' JOIN pg_roles b ON b.oid = m.member
           WHERE b.rolname ~ '^t_[a-z2-7]{12}$') l
     WHERE NOT EXISTS (SELECT FROM room WHERE room.schema_name = l.name)
     ORDER BY 1, 2 LIMIT 1000"
);

const TABLE_GRANT: &str = looking!(
    "SELECT x.name AS object, format('%s for %s', x.privileges, x.grantee) AS detail,
        format('REVOKE %s%s ON %s FROM %s', CASE WHEN x.is_listed THEN 'GRANT OPTION FOR ' ELSE '' END, x.privileges, x.name,
            x.grantee) AS mend
     FROM (SELECT format('%I.%I', n.nspname, c.relname) AS name, coalesce(quote_ident(r.rolname), 'PUBLIC') AS grantee,
                coalesce(o.name = n.nspname AND l.privilege IS NOT NULL, false) AS is_listed,
                string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) a
           LEFT JOIN pg_roles r ON r.oid = a.grantee LEFT JOIN ours o ON o.oid = a.grantee
           LEFT JOIN room ON room.schema_name = n.nspname
           LEFT JOIN listed l ON l.table_name = c.relname AND l.privilege = a.privilege_type
           LEFT JOIN of_extension e ON e.classid = 'pg_class'::regclass AND e.objid = c.oid
           WHERE a.grantee <> c.relowner AND coalesce(o.kind <> 'owner', true) AND CASE
              WHEN room.schema_name IS NOT NULL
                  THEN NOT coalesce(o.name = n.nspname AND l.privilege IS NOT NULL AND NOT a.is_grantable, false)
              WHEN e.objid IS NOT NULL OR n.nspname IN ('pg_catalog', 'information_schema', 'pg_toast') THEN o.kind IS NOT NULL
              WHEN a.grantee = 0 THEN true
              WHEN n.nspname = 'public' AND o.kind = 'control' THEN a.is_grantable
                  OR a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
                  OR (c.relname IN ('platform_event', 'audit_anchor') AND a.privilege_type IN ('UPDATE', 'DELETE'))
                  OR (c.relname IN ('schema_history', 'platform_seal', 'platform_anchor') AND a.privilege_type <> 'SELECT')
              ELSE o.kind IS NOT NULL END
           GROUP BY n.nspname, c.relname, r.rolname, 3) x
     ORDER BY 1, 2 LIMIT 1000"
);

const COLUMN_GRANT: &str = looking!(
    "SELECT format('%I.%I.%I', n.nspname, c.relname, t.attname) AS object,
        format('%s for %s', a.privilege_type, coalesce(r.rolname, 'PUBLIC')) AS detail,
        format('REVOKE %s (%I) ON %I.%I FROM %s', a.privilege_type, t.attname, n.nspname, c.relname,
            coalesce(quote_ident(r.rolname), 'PUBLIC')) AS mend
     FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL aclexplode(t.attacl) a
     LEFT JOIN pg_roles r ON r.oid = a.grantee LEFT JOIN ours o ON o.oid = a.grantee LEFT JOIN room ON room.schema_name = n.nspname
     WHERE t.attacl IS NOT NULL AND a.grantee <> c.relowner AND (room.schema_name IS NOT NULL OR coalesce(o.kind <> 'owner', false)
        OR (a.grantee = 0 AND n.nspname IN ('public', 'gate', 'ext')))
     ORDER BY 1, 2 LIMIT 1000"
);

const RIGHT_MISSING: &str = looking!(
    "SELECT format('%I.%I', x.schema_name, x.table_name) AS object,
        CASE WHEN x.is_there THEN x.privileges || ' is missing' ELSE 'the table is missing' END AS detail,
        CASE WHEN x.is_there THEN format('GRANT %s ON %I.%I TO %I', x.privileges, x.schema_name, x.table_name, x.schema_name)
            ELSE 'Restore it: lastmile tenant import.' END AS mend
     FROM (SELECT room.schema_name, l.table_name, c.oid IS NOT NULL AS is_there,
                string_agg(l.privilege, ', ' ORDER BY l.privilege) AS privileges
           FROM room JOIN ours o ON o.name = room.schema_name JOIN pg_namespace n ON n.nspname = room.schema_name
           CROSS JOIN listed l
           LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = l.table_name
           WHERE room.is_complete AND c.relowner IS DISTINCT FROM o.oid AND NOT EXISTS (
              SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = o.oid AND a.privilege_type = l.privilege)
           GROUP BY room.schema_name, l.table_name, c.oid) x
     ORDER BY 1 LIMIT 1000"
);

const VIEW_RIGHTS: &str = looking!(
    "SELECT format('%I.%I', n.nspname, c.relname) AS object,
        CASE c.relkind WHEN 'v' THEN 'the view reads with the rights of its owner' ELSE 'keeps what its owner could read' END AS detail,
        CASE c.relkind WHEN 'v' THEN format('ALTER VIEW %I.%I SET (security_invoker = true)', n.nspname, c.relname)
            ELSE format('DROP %s %I.%I', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'FOREIGN TABLE' END, n.nspname, c.relname)
            END AS mend
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE (n.nspname = 'gate' OR EXISTS (SELECT FROM room WHERE room.schema_name = n.nspname))
        AND (c.relkind IN ('m', 'f') OR (c.relkind = 'v' AND NOT coalesce(c.reloptions::text[]
            && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1', 'security_invoker=yes'], false)))
     ORDER BY 1 LIMIT 1000"
);

// Two schemas have such functions: gate for the tenants' roles, public for the control role.
const DEFINER_PLACE: &str = looking!(
    "SELECT p.oid::regprocedure::text AS object, 'runs with the rights of its definer outside the schemas for that' AS detail,
        format('ALTER FUNCTION %s SECURITY INVOKER', p.oid::regprocedure) AS mend
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     LEFT JOIN of_extension e ON e.classid = 'pg_proc'::regclass AND e.objid = p.oid
     WHERE p.prosecdef AND e.objid IS NULL AND n.nspname NOT IN ('gate', 'public', 'pg_catalog', 'information_schema')
     ORDER BY 1 LIMIT 1000"
);

const DEFINER_PATH: &str = looking!(
    "SELECT p.oid::regprocedure::text AS object, 'its search_path is not pinned' AS detail,
        format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', p.oid::regprocedure) AS mend
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE p.prosecdef AND n.nspname IN ('gate', 'public') AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)
     ORDER BY 1 LIMIT 1000"
);

const FUNCTION_GRANT: &str = looking!(
    "SELECT p.oid::regprocedure::text AS object, 'EXECUTE for ' || coalesce(r.rolname, 'PUBLIC') AS detail,
        format('REVOKE EXECUTE ON FUNCTION %s FROM %s', p.oid::regprocedure, coalesce(quote_ident(r.rolname), 'PUBLIC')) AS mend
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     CROSS JOIN LATERAL aclexplode(
        CASE WHEN n.nspname = 'gate' OR p.prosecdef THEN coalesce(p.proacl, acldefault('f', p.proowner)) ELSE p.proacl END) a
     LEFT JOIN pg_roles r ON r.oid = a.grantee LEFT JOIN ours o ON o.oid = a.grantee
     WHERE a.grantee <> p.proowner AND coalesce(o.kind <> 'owner', true) AND CASE
        WHEN n.nspname = 'gate' THEN NOT coalesce(o.kind = 'group' AND NOT a.is_grantable, false)
        WHEN n.nspname = 'public' THEN (a.grantee = 0 AND p.prosecdef)
            OR NOT coalesce(o.kind = 'control' AND NOT a.is_grantable, o.kind IS NULL)
        ELSE o.kind IS NOT NULL END
     ORDER BY 1, 2 LIMIT 1000"
);

const TYPE_IN_SCHEMA: &str = looking!(
    "SELECT format('%I.%I', n.nspname, t.typname) AS object, 'a type of its own: cached statements would not survive it' AS detail,
        format('DROP %s %I.%I', CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, n.nspname, t.typname) AS mend
     FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN room ON room.schema_name = n.nspname
     LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')
     ORDER BY 1 LIMIT 1000"
);

const STRANGER_IN_EXT: &str = looking!(
    "SELECT x.name AS object, 'lies in schema ext and is of no extension' AS detail, 'DROP ' || x.kind || ' ' || x.name AS mend
     FROM (SELECT format('%I.%I', n.nspname, c.relname) AS name, 'pg_class'::regclass AS class, c.oid,
                CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ext' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
           UNION ALL
           SELECT p.oid::regprocedure::text, 'pg_proc'::regclass, p.oid, 'FUNCTION'
           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'ext') x
     WHERE NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = x.class AND e.objid = x.oid)
     ORDER BY 1 LIMIT 1000"
);

// A foreign key tells whether a row exists elsewhere, and reading a parent reads its children without asking for their rights.
const CROSSING_REFERENCE: &str = looking!(
    "SELECT format('%I.%I', a.nspname, x.name) AS object, format('%s reaches into schema %s', x.what, b.nspname) AS detail, x.mend AS mend
     FROM (SELECT c.relname AS name, c.relnamespace AS here, f.relnamespace AS there, 'foreign key ' || k.conname AS what,
                format('ALTER TABLE %s DROP CONSTRAINT %I', c.oid::regclass, k.conname) AS mend
           FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid
           WHERE k.contype = 'f' AND c.relnamespace <> f.relnamespace
           UNION ALL
           SELECT c.relname, c.relnamespace, p.relnamespace, 'the table inherits and',
                format('ALTER TABLE %s NO INHERIT %s', c.oid::regclass, p.oid::regclass)
           FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
           WHERE c.relnamespace <> p.relnamespace) x
     JOIN pg_namespace a ON a.oid = x.here JOIN pg_namespace b ON b.oid = x.there
     WHERE EXISTS (SELECT FROM room WHERE room.schema_name IN (a.nspname, b.nspname))
     ORDER BY 1, 2 LIMIT 1000"
);

const SHARD_FULL: &str = looking!(
    "SELECT room.app AS object, format('enters %s tenants; SET ROLE slows above 500', count(*)) AS detail,
        'New tenants go to the next shard; move some there.' AS mend
     FROM room GROUP BY room.app HAVING count(*) > 510 ORDER BY 1 LIMIT 1000"
);

const SUPERUSER_STEP: &str = looking!(
    "SELECT x.name AS object, x.detail AS detail, x.mend AS mend
     FROM (SELECT p.oid::regprocedure::text AS name, 'EXECUTE for PUBLIC: injected SQL could leave its tenant''s role' AS detail,
                format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', p.oid::regprocedure) AS mend,
                coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
           FROM pg_proc p WHERE p.oid = 'pg_catalog.set_config(text,text,boolean)'::regprocedure
           UNION ALL
           SELECT l.lanname::text, 'USAGE for PUBLIC: injected SQL could run blocks of code',
                format('REVOKE USAGE ON LANGUAGE %I FROM PUBLIC', l.lanname), coalesce(l.lanacl, acldefault('l', l.lanowner))
           FROM pg_language l WHERE l.lanpltrusted AND l.lanname <> 'sql') x
     WHERE EXISTS (SELECT FROM aclexplode(x.acl) a WHERE a.grantee = 0)
     ORDER BY 1 LIMIT 1000"
);
