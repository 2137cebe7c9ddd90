"""The chat tables. Every script runs once, in order; a released one is never changed.

Times are whole microseconds since 1970 (UTC). ``contacts.name_key`` keeps displayed names apart; it is null until the
name is known. ``contacts.farewell_number`` is the agent's number of the last message to a removed contact: the
connection goes once that is delivered. ``contacts.own_calls_allowed`` is the user's wish for this contact; null: as in
the profile. ``contacts.verified_code`` is the security code that the user has compared.
"""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE profile (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        display_name TEXT NOT NULL,
        full_name TEXT NOT NULL
    );
    CREATE TABLE contacts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        connection_id INTEGER UNIQUE,
        status TEXT NOT NULL,
        name TEXT NOT NULL DEFAULT '',
        name_key TEXT UNIQUE,
        display_name TEXT NOT NULL DEFAULT '',
        full_name TEXT NOT NULL DEFAULT '',
        calls_allowed INTEGER NOT NULL DEFAULT 1,
        invitation_link TEXT,
        failure TEXT,
        farewell_number INTEGER,
        created_at INTEGER NOT NULL
    );
    CREATE TABLE chat_items (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        contact_id INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
        direction TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        sent_at INTEGER,
        message_id BLOB,
        agent_number INTEGER,
        delivery TEXT,
        failure TEXT,
        text TEXT,
        content TEXT,
        edited INTEGER NOT NULL DEFAULT 0,
        deleted INTEGER NOT NULL DEFAULT 0,
        call_media TEXT,
        call_status TEXT,
        call_duration INTEGER,
        notice TEXT,
        notice_count INTEGER
    );
    CREATE INDEX chat_items_page ON chat_items (contact_id, id);
    CREATE UNIQUE INDEX chat_items_message ON chat_items (contact_id, direction, message_id)
        WHERE message_id IS NOT NULL;
    CREATE INDEX chat_items_number ON chat_items (contact_id, agent_number) WHERE agent_number IS NOT NULL;
    """,
    """
    ALTER TABLE profile ADD COLUMN image TEXT;
    ALTER TABLE profile ADD COLUMN calls_allowed INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE contacts ADD COLUMN image TEXT;
    ALTER TABLE contacts ADD COLUMN own_calls_allowed INTEGER;
    ALTER TABLE contacts ADD COLUMN verified_code TEXT;
    """,
    """
    ALTER TABLE contacts ADD COLUMN chat_version INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE contacts ADD COLUMN unread INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE chat_items ADD COLUMN quote TEXT NOT NULL DEFAULT '';
    """,
    """
    CREATE TABLE chat_requests (
        id INTEGER PRIMARY KEY,
        address_id INTEGER NOT NULL,
        contact_req_id BLOB,
        display_name TEXT NOT NULL,
        full_name TEXT NOT NULL,
        image TEXT,
        calls_allowed INTEGER NOT NULL,
        chat_version INTEGER NOT NULL,
        created_at INTEGER NOT NULL
    );
    CREATE INDEX chat_requests_asked ON chat_requests (address_id, contact_req_id);
    """,
    """
    ALTER TABLE chat_items ADD COLUMN preview TEXT;
    """,
    """
    ALTER TABLE contacts ADD COLUMN audio_only INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE contacts ADD COLUMN missed_calls INTEGER NOT NULL DEFAULT 0;
    """,
)
