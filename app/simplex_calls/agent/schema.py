"""The agent's tables. Every script runs once, in order; a released one is never changed."""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE connections (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        state TEXT NOT NULL,
        agent_version INTEGER NOT NULL,
        sent_number INTEGER NOT NULL DEFAULT 0,
        sent_hash BLOB NOT NULL DEFAULT x'',
        received_number INTEGER NOT NULL DEFAULT 0,
        received_hash BLOB NOT NULL DEFAULT x''
    );
    CREATE TABLE rcv_queues (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
        server TEXT NOT NULL,
        recipient_id BLOB NOT NULL,
        sender_id BLOB NOT NULL,
        auth_key BLOB NOT NULL,
        server_secret BLOB NOT NULL,
        e2e_key BLOB NOT NULL,
        e2e_secret BLOB,
        sender_key BLOB,
        client_version INTEGER NOT NULL,
        sender_can_secure INTEGER NOT NULL,
        last_message BLOB,
        UNIQUE (server, recipient_id)
    );
    CREATE INDEX rcv_queues_connection ON rcv_queues (connection_id);
    CREATE TABLE snd_queues (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
        server TEXT NOT NULL,
        sender_id BLOB NOT NULL,
        auth_key BLOB NOT NULL,
        e2e_public BLOB NOT NULL,
        e2e_secret BLOB NOT NULL,
        client_version INTEGER NOT NULL,
        sender_can_secure INTEGER NOT NULL
    );
    CREATE INDEX snd_queues_connection ON snd_queues (connection_id);
    CREATE TABLE invitation_keys (
        connection_id INTEGER PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
        keys BLOB NOT NULL
    );
    CREATE TABLE join_keys (
        server TEXT NOT NULL,
        sender_id BLOB NOT NULL,
        auth_key BLOB NOT NULL,
        created REAL NOT NULL,
        PRIMARY KEY (server, sender_id)
    );
    CREATE TABLE ratchets (
        connection_id INTEGER PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
        state BLOB NOT NULL
    );
    CREATE TABLE skipped_keys (
        connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
        header_key BLOB NOT NULL,
        number INTEGER NOT NULL,
        message_key BLOB NOT NULL,
        PRIMARY KEY (connection_id, header_key, number)
    );
    CREATE TABLE rcv_messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
        hash BLOB NOT NULL
    );
    CREATE INDEX rcv_messages_hash ON rcv_messages (connection_id, hash);
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        snd_queue_id INTEGER NOT NULL REFERENCES snd_queues (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        number INTEGER NOT NULL,
        body BLOB NOT NULL,
        notify INTEGER NOT NULL,
        created REAL NOT NULL
    );
    CREATE INDEX outbox_queue ON outbox (snd_queue_id, id);
    CREATE TABLE queue_deletions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        server TEXT NOT NULL,
        recipient_id BLOB NOT NULL,
        auth_key BLOB NOT NULL,
        created REAL NOT NULL
    );
    """,
    """
    ALTER TABLE connections ADD COLUMN pq_wanted INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE connections ADD COLUMN pq_supported INTEGER NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE snd_queues ADD COLUMN is_address INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE own_links (
        connection_id INTEGER PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
        full_link TEXT NOT NULL,
        short_link TEXT,
        link_id BLOB,
        link_key BLOB,
        root_key BLOB,
        fixed_data BLOB,
        user_data BLOB NOT NULL,
        is_on_server INTEGER NOT NULL
    );
    CREATE INDEX own_links_link ON own_links (link_id);
    CREATE TABLE link_keys (
        server TEXT NOT NULL,
        link_id BLOB NOT NULL,
        auth_key BLOB NOT NULL,
        created REAL NOT NULL,
        PRIMARY KEY (server, link_id)
    );
    CREATE TABLE used_links (
        connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
        server TEXT NOT NULL,
        entity_id BLOB NOT NULL,
        PRIMARY KEY (connection_id, entity_id)
    );
    CREATE INDEX used_links_entity ON used_links (entity_id);
    CREATE TABLE contact_requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        address_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
        server TEXT NOT NULL,
        sender_id BLOB NOT NULL,
        invitation TEXT NOT NULL,
        created REAL NOT NULL,
        UNIQUE (address_id, server, sender_id)
    );
    """,
    """
    CREATE TABLE awaited_receipts (
        connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        hash BLOB NOT NULL,
        refused INTEGER NOT NULL DEFAULT 0,
        created REAL NOT NULL,
        PRIMARY KEY (connection_id, number)
    );
    CREATE INDEX awaited_receipts_created ON awaited_receipts (created);
    ALTER TABLE connections ADD COLUMN ratchet_sync TEXT NOT NULL DEFAULT 'ok';
    CREATE TABLE resync_keys (
        connection_id INTEGER PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
        keys BLOB NOT NULL
    );
    CREATE TABLE ratchet_key_hashes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
        hash BLOB NOT NULL,
        created REAL NOT NULL
    );
    CREATE INDEX ratchet_key_hashes_connection ON ratchet_key_hashes (connection_id, hash);
    ALTER TABLE rcv_queues ADD COLUMN replaces INTEGER;
    ALTER TABLE rcv_queues ADD COLUMN rotation TEXT NOT NULL DEFAULT 'settled';
    ALTER TABLE snd_queues ADD COLUMN replaces INTEGER;
    ALTER TABLE snd_queues ADD COLUMN rotation TEXT NOT NULL DEFAULT 'settled';
    ALTER TABLE snd_queues ADD COLUMN usable INTEGER NOT NULL DEFAULT 1;
    """,
    """
    CREATE INDEX own_links_waiting ON own_links (connection_id) WHERE NOT is_on_server;
    """,
)
