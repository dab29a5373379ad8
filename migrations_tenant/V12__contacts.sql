-- Whom the tenant talks to, and who does not want it.

-- A person or company that is no customer: customers are reached through their own cards, without being entered twice.
CREATE TABLE contact (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    -- BCP 47, such as `en` or `fil`: which variant of a template it is sent. NULL: the tenant's own language.
    language text CHECK (length(language) BETWEEN 2 AND 35),
    -- Words of the tenant's own, which templates may use.
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
    tags text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 50),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 2000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX contact_name_idx ON contact (lower(name), id);
CREATE INDEX contact_name_trgm_idx ON contact USING gin (lower(name) ext.gin_trgm_ops);
CREATE INDEX contact_tags_idx ON contact USING gin (tags);

-- An address belongs to one contact; addresses are stored in the one spelling that their channel knows them by.
CREATE TABLE contact_address (
    id uuid PRIMARY KEY,
    contact_id uuid NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'whatsapp', 'telegram', 'instagram', 'push', 'in_app')),
    address text NOT NULL CHECK (length(address) BETWEEN 1 AND 4096),
    -- Push has many per person; elsewhere the first one is used.
    position smallint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX contact_address_key ON contact_address (channel, md5(lower(address)));
CREATE INDEX contact_address_contact_idx ON contact_address (contact_id, channel, position);
CREATE INDEX contact_address_trgm_idx ON contact_address USING gin (lower(address) ext.gin_trgm_ops);

-- Somebody claimed an address that another contact has. Nothing was merged: a person decides.
CREATE TABLE contact_conflict (
    id uuid PRIMARY KEY,
    channel text NOT NULL,
    address text NOT NULL,
    -- Who has it.
    contact_id uuid NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    -- Who claimed it: a contact that is there without it, or a name that came in.
    claimant_id uuid REFERENCES contact (id) ON DELETE CASCADE,
    claimed_name text NOT NULL,
    -- import, api, page, inbound
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 20),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- kept, moved, merged
    settled text CHECK (settled IN ('kept', 'moved', 'merged')),
    settled_at timestamptz,
    CHECK ((settled IS NULL) = (settled_at IS NULL))
);
CREATE INDEX contact_conflict_open_idx ON contact_conflict (id DESC) WHERE settled IS NULL;
CREATE INDEX contact_conflict_contact_idx ON contact_conflict (contact_id);
CREATE INDEX contact_conflict_claimant_idx ON contact_conflict (claimant_id);

CREATE TABLE contact_group (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- One of the palette's names.
    colour text NOT NULL DEFAULT 'slate' CHECK (length(colour) BETWEEN 2 AND 20),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX contact_group_name_key ON contact_group (lower(name));

CREATE TABLE contact_group_member (
    group_id uuid NOT NULL REFERENCES contact_group (id) ON DELETE CASCADE,
    contact_id uuid NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_id, contact_id)
);
CREATE INDEX contact_group_member_contact_idx ON contact_group_member (contact_id);

-- What somebody said about being written to. Kept for an address, whoever has it: the number's owner said it.
CREATE TABLE consent (
    channel text NOT NULL,
    address text NOT NULL,
    status text NOT NULL CHECK (status IN ('granted', 'withdrawn')),
    -- Where it was said: a keyword, an unsubscribe link, a form, an import, staff.
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 40),
    said_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX consent_key ON consent (channel, md5(lower(address)));

-- An address that is not to be used. Looked at right before every sending, on every path.
CREATE TABLE suppression (
    id uuid PRIMARY KEY,
    channel text NOT NULL,
    address text NOT NULL CHECK (length(address) BETWEEN 1 AND 4096),
    -- invalid, unregistered, blocked, unsubscribed, complained, moved, bounced, manual
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 40),
    -- receipt, refusal, keyword, link, import, staff, api
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 40),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
    -- What told us.
    delivery_id uuid,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX suppression_key ON suppression (channel, md5(lower(address)));
CREATE INDEX suppression_address_trgm_idx ON suppression USING gin (lower(address) ext.gin_trgm_ops);

-- An uploaded table of contacts on its way in.
CREATE TABLE contact_import (
    id uuid PRIMARY KEY,
    file_name text NOT NULL CHECK (length(file_name) BETWEEN 1 AND 255),
    -- Column by field, as the preview proposed or a person chose.
    mapping jsonb NOT NULL DEFAULT '{}',
    group_id uuid REFERENCES contact_group (id) ON DELETE SET NULL,
    header text[] NOT NULL,
    -- The rows still to do, in order: [[cell, ..], ..]. Emptied at the end.
    rows jsonb NOT NULL,
    total integer NOT NULL CHECK (total >= 0),
    done integer NOT NULL DEFAULT 0,
    created integer NOT NULL DEFAULT 0,
    updated integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    conflicts integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    -- The first wrong rows: [{row, field, detail}].
    errors jsonb NOT NULL DEFAULT '[]',
    status text NOT NULL CHECK (status IN ('preview', 'running', 'done', 'cancelled')),
    staff_label text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
