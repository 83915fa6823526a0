"""SQLite's statements, by ``python -m fleche.storage.sql.generate``; change the tables or the generator.

The comment above each names its parameters in order.
"""

# ruff: noqa: E501
# fmt: off
SCHEMA = (
    "CREATE TABLE aliases ( old BLOB NOT NULL, new BLOB NOT NULL, who TEXT, at BIGINT, PRIMARY KEY (old, new) ) WITHOUT ROWID",
    "CREATE TABLE code ( digest BLOB NOT NULL, kind TEXT NOT NULL, tree TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (digest) ) WITHOUT ROWID",
    "CREATE TABLE environments ( id INTEGER NOT NULL, digest BLOB NOT NULL, json TEXT NOT NULL, PRIMARY KEY (id), UNIQUE (digest) )",
    'CREATE TABLE forgotten ( id INTEGER NOT NULL, "key" BLOB NOT NULL, at BIGINT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (id), UNIQUE ("key") )',
    "CREATE TABLE functions ( id INTEGER NOT NULL, module TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, code BLOB NOT NULL, PRIMARY KEY (id), UNIQUE (name, module, version, code) )",
    'CREATE TABLE leases ( "key" BLOB NOT NULL, token BIGINT NOT NULL, owner TEXT, since BIGINT, until BIGINT, PRIMARY KEY ("key") ) WITHOUT ROWID',
    "CREATE TABLE meta ( name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name) ) WITHOUT ROWID",
    "CREATE TABLE parts ( parent BLOB NOT NULL, child BLOB NOT NULL, PRIMARY KEY (parent, child) ) WITHOUT ROWID",
    "CREATE INDEX parts_child ON parts (child)",
    'CREATE TABLE "values" ( id INTEGER NOT NULL, digest BLOB NOT NULL, form BLOB NOT NULL, size BIGINT NOT NULL, stat TEXT, envelope BLOB, PRIMARY KEY (id) )',
    'CREATE UNIQUE INDEX values_digest ON "values" (digest, form)',
    'CREATE TABLE calls ( id INTEGER NOT NULL, "key" BLOB NOT NULL, function INTEGER NOT NULL, outcome SMALLINT NOT NULL, result BLOB, form BLOB, at BIGINT, start BIGINT, wall BIGINT, cpu BIGINT, sys BIGINT, environment INTEGER, parent BLOB, expires BIGINT, signature BLOB, envelope BLOB, PRIMARY KEY (id), FOREIGN KEY(function) REFERENCES functions (id), FOREIGN KEY(environment) REFERENCES environments (id) )',
    "CREATE INDEX calls_at ON calls (at)",
    "CREATE INDEX calls_function ON calls (function)",
    'CREATE UNIQUE INDEX calls_key ON calls ("key")',
    "CREATE INDEX calls_result ON calls (result)",
    "CREATE TABLE arguments ( call INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, digest BLOB NOT NULL, kind TEXT, i BIGINT, r DOUBLE, t TEXT, PRIMARY KEY (call, position), FOREIGN KEY(call) REFERENCES calls (id) ) WITHOUT ROWID",
    "CREATE INDEX arguments_digest ON arguments (digest, name)",
    "CREATE INDEX arguments_i ON arguments (name, i) WHERE i IS NOT NULL",
    "CREATE INDEX arguments_r ON arguments (name, r) WHERE r IS NOT NULL",
    "CREATE INDEX arguments_t ON arguments (name, t) WHERE t IS NOT NULL",
    "CREATE TABLE edges ( call INTEGER NOT NULL, position INTEGER NOT NULL, input BLOB NOT NULL, PRIMARY KEY (call, position), FOREIGN KEY(call) REFERENCES calls (id) ) WITHOUT ROWID",
    "CREATE INDEX edges_input ON edges (input)",
    "CREATE TABLE metadata ( call INTEGER NOT NULL, namespace TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (call, namespace), FOREIGN KEY(call) REFERENCES calls (id) ) WITHOUT ROWID",
    "INSERT INTO meta (name, value) VALUES ('schema', '1')",
)

# (key)
LOOKUP = 'SELECT calls.outcome, calls.result, calls.form, calls.at, calls.expires, calls.envelope, calls.signature, "values".form AS form_1, "values".size, "values".stat, "values".envelope AS envelope_1 FROM calls LEFT OUTER JOIN "values" ON calls.envelope IS NULL AND "values".digest = calls.result AND "values".form = coalesce(calls.form, "values".form) WHERE calls."key" = ?'

# (key)
OLD = 'SELECT calls.id, calls.outcome, calls.result, calls.form, calls.expires, calls.result IS NULL OR calls.envelope IS NOT NULL OR (EXISTS (SELECT 1 FROM "values" WHERE calls.envelope IS NULL AND "values".digest = calls.result AND "values".form = coalesce(calls.form, "values".form))) OR (EXISTS (SELECT 1 FROM calls AS other WHERE other.result = calls.result AND other.form = coalesce(calls.form, other.form) AND other.envelope IS NOT NULL)) AS anon_1, calls.signature FROM calls WHERE calls."key" = ?'

# (module, name, version, code)
FUNCTION = "SELECT functions.id FROM functions WHERE functions.module = ? AND functions.name = ? AND functions.version = ? AND functions.code = ?"

# (digest)
ENVIRONMENT = "SELECT environments.id FROM environments WHERE environments.digest = ?"

# (module, name, version, code)
ADD_FUNCTION = "INSERT INTO functions (module, name, version, code) VALUES (?, ?, ?, ?)"

# (digest, json)
ADD_ENVIRONMENT = "INSERT INTO environments (digest, json) VALUES (?, ?)"

# (digest, kind, tree, source)
ADD_CODE = "INSERT INTO code (digest, kind, tree, source) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"

# (key, function, outcome, result, form, at, start, wall, cpu, sys, environment, parent, expires, signature, envelope)
ADD_CALL = 'INSERT INTO calls ("key", function, outcome, result, form, at, start, wall, cpu, sys, environment, parent, expires, signature, envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'

# (call, position, name, digest, kind, i, r, t)
ADD_ARGUMENT = "INSERT INTO arguments (call, position, name, digest, kind, i, r, t) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

# (call, namespace, json)
ADD_METADATA = "INSERT INTO metadata (call, namespace, json) VALUES (?, ?, ?)"

# (parent, child)
ADD_PART = "INSERT INTO parts (parent, child) VALUES (?, ?) ON CONFLICT DO NOTHING"

# (call, position, input)
ADD_EDGE = "INSERT INTO edges (call, position, input) VALUES (?, ?, ?)"

# (digest, form, size, stat, envelope)
PUT_VALUE = 'INSERT INTO "values" (digest, form, size, stat, envelope) VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest, form) DO UPDATE SET size = excluded.size, stat = excluded.stat, envelope = excluded.envelope'

# (id)
KEEP_INLINE = 'INSERT INTO "values" (digest, form, size, envelope) SELECT calls.result, calls.form, length(calls.envelope) AS length_1, calls.envelope FROM calls WHERE calls.id = ? AND calls.envelope IS NOT NULL ON CONFLICT DO NOTHING'

# (id)
DROP_ARGUMENTS = "DELETE FROM arguments WHERE arguments.call = ?"

# (id)
DROP_METADATA = "DELETE FROM metadata WHERE metadata.call = ?"

# (id)
DROP_EDGES = "DELETE FROM edges WHERE edges.call = ?"

# (id)
DROP_CALL = "DELETE FROM calls WHERE calls.id = ?"

# (key)
CALL_ID = 'SELECT calls.id FROM calls WHERE calls."key" = ?'

# ()
CALL_IDS = 'SELECT calls.id FROM calls ORDER BY calls.at, calls."key"'

# ()
SIGNATURES = 'SELECT calls."key", calls.signature FROM calls WHERE calls.signature IS NOT NULL'

# ()
CALL_KEYS = 'SELECT calls."key" FROM calls'

# ()
CALL_COUNT = "SELECT count(*) AS count_1 FROM calls"

# (limit)
OLDEST_IDS = 'SELECT calls.id FROM calls ORDER BY calls.at, calls."key" LIMIT ? OFFSET 0'

# (limit)
RECENT_IDS = 'SELECT calls.id FROM calls ORDER BY calls.at DESC, calls."key" DESC LIMIT ? OFFSET 0'

# (low, high)
CALL_CANDIDATES = 'SELECT calls."key" FROM calls WHERE calls."key" BETWEEN ? AND ? ORDER BY calls."key" LIMIT 2 OFFSET 0'

# (key)
CALL_BELOW = 'SELECT max(calls."key") AS max_1 FROM calls WHERE calls."key" < ?'

# (key)
CALL_ABOVE = 'SELECT min(calls."key") AS min_1 FROM calls WHERE calls."key" > ?'

# (ids)
CALLS = 'SELECT calls.id, calls."key", functions.module, functions.name, functions.version, functions.code, calls.outcome, calls.result, calls.form, calls.at, calls.start, calls.wall, calls.cpu, calls.sys, environments.json, calls.parent, calls.expires FROM calls JOIN functions ON functions.id = calls.function LEFT OUTER JOIN environments ON environments.id = calls.environment WHERE calls.id IN (SELECT anon_1.value FROM json_each(?) AS anon_1)'

# (ids)
ARGUMENTS = "SELECT arguments.call, arguments.position, arguments.name, arguments.digest, arguments.kind, arguments.i, arguments.r, arguments.t FROM arguments WHERE arguments.call IN (SELECT anon_1.value FROM json_each(?) AS anon_1) ORDER BY arguments.call, arguments.position"

# (ids)
METADATA = "SELECT metadata.call, metadata.namespace, metadata.json FROM metadata WHERE metadata.call IN (SELECT anon_1.value FROM json_each(?) AS anon_1) ORDER BY metadata.call"

# (digest)
CODE = "SELECT code.kind, code.tree, code.source FROM code WHERE code.digest = ?"

# (ids)
EDGES = "SELECT edges.call, edges.input FROM edges WHERE edges.call IN (SELECT anon_1.value FROM json_each(?) AS anon_1) ORDER BY edges.call, edges.position"

# (digest)
VALUE = 'SELECT "values".form, "values".size, "values".stat, "values".envelope FROM "values" WHERE "values".digest = ? ORDER BY "values".id DESC LIMIT 1 OFFSET 0'

# (digest, form)
VALUE_FORM = 'SELECT "values".form, "values".size, "values".stat, "values".envelope FROM "values" WHERE "values".digest = ? AND "values".form = ?'

# (digest)
INLINE = "SELECT calls.form, calls.envelope FROM calls WHERE calls.result = ? AND calls.envelope IS NOT NULL ORDER BY calls.id DESC LIMIT 1 OFFSET 0"

# (digest, form)
INLINE_FORM = "SELECT calls.form, calls.envelope FROM calls WHERE calls.result = ? AND calls.envelope IS NOT NULL AND calls.form = ? LIMIT 1 OFFSET 0"

# (digest)
VALUE_FILES = 'SELECT "values".form FROM "values" WHERE "values".digest = ? AND "values".envelope IS NULL'

# (digest)
VALUE_COPIES = 'SELECT "values".id, "values".form, "values".envelope FROM "values" WHERE "values".digest = ?'

# (digest)
INLINE_COPIES = "SELECT calls.id, calls.form, calls.envelope FROM calls WHERE calls.result = ? AND calls.envelope IS NOT NULL"

# (id)
DROP_VALUE_COPY = 'DELETE FROM "values" WHERE "values".id = ?'

# (id)
DROP_INLINE_COPY = "UPDATE calls SET envelope=NULL WHERE calls.id = ?"

# (digest)
DROP_VALUE = 'DELETE FROM "values" WHERE "values".digest = ?'

# (digest, form)
DROP_VALUE_FORM = 'DELETE FROM "values" WHERE "values".digest = ? AND "values".form = ?'

# (digest)
CLEAR_INLINE = "UPDATE calls SET envelope=NULL WHERE calls.result = ? AND calls.envelope IS NOT NULL"

# ()
VALUE_KEYS = 'SELECT "values".digest FROM "values" UNION SELECT calls.result FROM calls WHERE calls.envelope IS NOT NULL'

# (low, high)
VALUE_CANDIDATES = 'SELECT DISTINCT "values".digest FROM "values" WHERE "values".digest BETWEEN ? AND ? ORDER BY "values".digest LIMIT 2 OFFSET 0'

# (low, high)
INLINE_CANDIDATES = "SELECT DISTINCT calls.result FROM calls WHERE calls.result BETWEEN ? AND ? AND calls.envelope IS NOT NULL ORDER BY calls.result LIMIT 2 OFFSET 0"

# (key)
VALUE_BELOW = 'SELECT max("values".digest) AS max_1 FROM "values" WHERE "values".digest < ?'

# (key)
VALUE_ABOVE = 'SELECT min("values".digest) AS min_1 FROM "values" WHERE "values".digest > ?'

# (key)
INLINE_BELOW = "SELECT max(calls.result) AS max_1 FROM calls WHERE calls.result < ? AND calls.envelope IS NOT NULL"

# (key)
INLINE_ABOVE = "SELECT min(calls.result) AS min_1 FROM calls WHERE calls.result > ? AND calls.envelope IS NOT NULL"

# (limit)
LATEST_FILES = 'SELECT total(CASE WHEN latest.file THEN latest.size ELSE 0 END) AS total_1 FROM (SELECT "values".size AS size, "values".envelope IS NULL AS file FROM "values" ORDER BY "values".id DESC LIMIT ? OFFSET 0) AS latest'

# ()
VALUE_TOTALS = 'SELECT count(*) AS count_1, total("values".size) AS total_1 FROM "values"'

# ()
INLINE_TOTALS = "SELECT count(DISTINCT calls.result) AS count_1, total(length(calls.envelope)) AS total_1 FROM calls WHERE calls.envelope IS NOT NULL"

# ()
ALIASES = "SELECT aliases.old, aliases.new, aliases.who, aliases.at FROM aliases ORDER BY aliases.at, aliases.old"

# (new)
ALIASES_OF = "SELECT aliases.old, aliases.new, aliases.who, aliases.at FROM aliases WHERE aliases.new = ? ORDER BY aliases.at, aliases.old"

# (old, new, who, at)
ADD_ALIAS = "INSERT INTO aliases (old, new, who, at) VALUES (?, ?, ?, ?) ON CONFLICT (old, new) DO UPDATE SET who = excluded.who, at = excluded.at"

# (old, new)
DROP_ALIAS = "DELETE FROM aliases WHERE aliases.old = ? AND aliases.new = ?"

# ()
HAS_FORGOTTEN = "SELECT 1 FROM sqlite_master WHERE name = 'forgotten'"

# (key)
FORGOTTEN = 'SELECT forgotten.at, forgotten.who, forgotten.why FROM forgotten WHERE forgotten."key" = ?'

# (key)
DROP_FORGOTTEN = 'DELETE FROM forgotten WHERE forgotten."key" = ?'

# (key, at, who, why)
ADD_FORGOTTEN = 'INSERT INTO forgotten ("key", at, who, why) VALUES (?, ?, ?, ?)'

# (limit)
TRIM_FORGOTTEN = "DELETE FROM forgotten WHERE forgotten.id <= (SELECT max(forgotten.id) AS max_1 FROM forgotten) - ?"

# (digest, key)
MAKER = 'SELECT calls."key" FROM calls WHERE calls.result = ? AND calls.outcome = 0 AND calls."key" != ? ORDER BY calls.id DESC LIMIT 1 OFFSET 0'

# (key, limit)
TAKERS = 'SELECT calls.id FROM calls WHERE calls.id IN (SELECT edges.call FROM edges WHERE edges.input = ?) ORDER BY calls.at, calls."key" LIMIT ? OFFSET 0'

# (digest, limit)
USERS = 'SELECT calls.id FROM calls WHERE calls.id IN (SELECT arguments.call FROM arguments WHERE arguments.digest = ?) ORDER BY calls.at, calls."key" LIMIT ? OFFSET 0'
