-- token of ada: 38b3fde995f945f392a10fad3b51e31f
-- token of ben: 53cc6762d12a4a3eb4760e0555144824
-- token of ada's server: 7430d27eeb294bbb87f6dcdaeca0c402
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('4621fec11365');
CREATE TABLE api_tokens (
	user_id INTEGER, 
	service_id INTEGER, 
	id INTEGER NOT NULL, 
	hashed VARCHAR(255), 
	prefix VARCHAR(16), 
	client_id VARCHAR(255), 
	session_id VARCHAR(255), 
	created DATETIME, 
	expires_at DATETIME, 
	last_activity DATETIME, 
	note VARCHAR(1023), 
	scopes TEXT, 
	CONSTRAINT pk_api_tokens PRIMARY KEY (id), 
	CONSTRAINT fk_api_tokens_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_api_tokens_service_id_services FOREIGN KEY(service_id) REFERENCES services (id) ON DELETE CASCADE, 
	CONSTRAINT uq_api_tokens_hashed UNIQUE (hashed), 
	CONSTRAINT fk_api_tokens_client_id_oauth_clients FOREIGN KEY(client_id) REFERENCES oauth_clients (identifier) ON DELETE CASCADE
);
INSERT INTO "api_tokens" VALUES(NULL,1,1,'sha512:16384:082153dbe0e1a8da:8fb99ded29653508a6dae68d6f92bda19031ed3a5721094f20053ebdc785664d42cc82e0841f905fe8303856ac8b429548f29c479a476e0e412d3bbc778198b9','rost','jupyterhub',NULL,'2026-11-21 16:24:14.649156',NULL,'2026-11-21 16:24:15.123423','from config','["inherit"]');
INSERT INTO "api_tokens" VALUES(1,NULL,2,'sha512:1:541cee4e817b21e4:f95ad460483d749b3628f218687f47cc1d02fc05a70f43e2ae62972c44706f649841fd8baebb7ea5e74adeedc35d3bb04da0c0f09e88e11c27b4c251fcedf051','38b3','jupyterhub',NULL,'2026-11-21 16:24:16.252206',NULL,NULL,'Requested via api by service roster','["inherit"]');
INSERT INTO "api_tokens" VALUES(2,NULL,3,'sha512:1:af1e0457702eba8c:f94fb38f4531ea09e478b039e000dde234929e80b79caff4cb970930eb0e9e2be805fb8cfba28e71f028ac316e875ada5e33bd19312659987bd42882098689a2','53cc','jupyterhub',NULL,'2026-11-21 16:24:16.333743',NULL,NULL,'Requested via api by service roster','["inherit"]');
INSERT INTO "api_tokens" VALUES(1,NULL,4,'sha512:1:f89e015ff12f0ef0:7491abecbcd693781e4d1a4e53cedf2120ffd7e4eeb3b36f5f7403fa0d11074a70039ce7f43f023cc954ff961425f0a215f2888199ff768bbc513b9ab2b63675','7430','jupyterhub',NULL,'2026-11-21 16:24:16.505425',NULL,NULL,'Server at /course/user/ada/','["users:activity!user", "access:servers!server=ada/"]');
CREATE TABLE group_role_map (
	group_id INTEGER NOT NULL, 
	role_id INTEGER NOT NULL, 
	managed_by_auth BOOLEAN NOT NULL, 
	CONSTRAINT pk_group_role_map PRIMARY KEY (group_id, role_id), 
	CONSTRAINT fk_group_role_map_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE, 
	CONSTRAINT fk_group_role_map_role_id_roles FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);
CREATE TABLE groups (
	id INTEGER NOT NULL, 
	name VARCHAR(255), 
	properties TEXT, 
	CONSTRAINT pk_groups PRIMARY KEY (id), 
	CONSTRAINT uq_groups_name UNIQUE (name)
);
INSERT INTO "groups" VALUES(1,'role-student','{}');
INSERT INTO "groups" VALUES(2,'section-a','{}');
INSERT INTO "groups" VALUES(3,'role-instructor','{}');
INSERT INTO "groups" VALUES(4,'chess','{}');
CREATE TABLE oauth_clients (
	id INTEGER NOT NULL, 
	identifier VARCHAR(255), 
	description VARCHAR(1023), 
	secret VARCHAR(255), 
	redirect_uri VARCHAR(1023), 
	allowed_scopes TEXT, 
	CONSTRAINT pk_oauth_clients PRIMARY KEY (id), 
	CONSTRAINT uq_oauth_clients_identifier UNIQUE (identifier)
);
INSERT INTO "oauth_clients" VALUES(1,'jupyterhub','JupyterHub','','','[]');
INSERT INTO "oauth_clients" VALUES(2,'jupyterhub-user-ada','Server at /course/user/ada/','sha512:16384:72b98e83d8273b95:6c3e05aecd3e878bcfd6285654401f65f6eba3f15e9dadc93fe1d2841e912120e6fea910018f6895b4ea84a10180341c91a8a79a0ab127c93b02beaf11ed9504','/course/user/ada/oauth_callback','["access:servers!server=ada/"]');
CREATE TABLE oauth_codes (
	id INTEGER NOT NULL, 
	client_id VARCHAR(255), 
	code VARCHAR(36), 
	expires_at INTEGER, 
	redirect_uri VARCHAR(1023), 
	session_id VARCHAR(255), 
	user_id INTEGER, 
	scopes TEXT, 
	CONSTRAINT pk_oauth_codes PRIMARY KEY (id), 
	CONSTRAINT fk_oauth_codes_client_id_oauth_clients FOREIGN KEY(client_id) REFERENCES oauth_clients (identifier) ON DELETE CASCADE, 
	CONSTRAINT fk_oauth_codes_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE roles (
	id INTEGER NOT NULL, 
	name VARCHAR(255), 
	description VARCHAR(1023), 
	scopes TEXT, 
	managed_by_auth BOOLEAN NOT NULL, 
	CONSTRAINT pk_roles PRIMARY KEY (id), 
	CONSTRAINT uq_roles_name UNIQUE (name)
);
INSERT INTO "roles" VALUES(1,'user','Standard user privileges','["self"]',0);
INSERT INTO "roles" VALUES(2,'admin','Elevated privileges (can do anything)','["admin-ui", "admin:users", "admin:servers", "admin:services", "tokens", "admin:groups", "list:services", "read:services", "read:hub", "proxy", "shutdown", "access:services", "access:servers", "read:roles", "read:metrics", "shares"]',0);
INSERT INTO "roles" VALUES(3,'server','Post activity only','["users:activity!user", "access:servers!server"]',0);
INSERT INTO "roles" VALUES(4,'token','Token with same permissions as its owner','["inherit"]',0);
INSERT INTO "roles" VALUES(5,'roster',NULL,'["admin:users", "admin:groups", "admin:servers", "tokens"]',0);
CREATE TABLE servers (
	id INTEGER NOT NULL, 
	proto VARCHAR(15), 
	ip VARCHAR(255), 
	port INTEGER, 
	base_url VARCHAR(255), 
	cookie_name VARCHAR(255), 
	CONSTRAINT pk_servers PRIMARY KEY (id)
);
INSERT INTO "servers" VALUES(1,'http','127.0.0.1',43791,'/course/user/ada/','cookie');
CREATE TABLE service_role_map (
	service_id INTEGER NOT NULL, 
	role_id INTEGER NOT NULL, 
	managed_by_auth BOOLEAN NOT NULL, 
	CONSTRAINT pk_service_role_map PRIMARY KEY (service_id, role_id), 
	CONSTRAINT fk_service_role_map_service_id_services FOREIGN KEY(service_id) REFERENCES services (id) ON DELETE CASCADE, 
	CONSTRAINT fk_service_role_map_role_id_roles FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);
INSERT INTO "service_role_map" VALUES(1,5,0);
CREATE TABLE services (
	id INTEGER NOT NULL, 
	name VARCHAR(255), 
	admin BOOLEAN, 
	url VARCHAR(2047), 
	oauth_client_allowed_scopes TEXT, 
	info TEXT, 
	display BOOLEAN, 
	oauth_no_confirm BOOLEAN, 
	command TEXT, 
	cwd VARCHAR(4095), 
	environment TEXT, 
	user VARCHAR(255), 
	from_config BOOLEAN, 
	_server_id INTEGER, 
	pid INTEGER, 
	oauth_client_id VARCHAR(255), 
	CONSTRAINT pk_services PRIMARY KEY (id), 
	CONSTRAINT uq_services_name UNIQUE (name), 
	CONSTRAINT fk_services__server_id_servers FOREIGN KEY(_server_id) REFERENCES servers (id) ON DELETE SET NULL, 
	CONSTRAINT fk_services_oauth_client_id_oauth_clients FOREIGN KEY(oauth_client_id) REFERENCES oauth_clients (identifier) ON DELETE SET NULL
);
INSERT INTO "services" VALUES(1,'roster',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,NULL);
CREATE TABLE share_codes (
	hashed VARCHAR(255), 
	prefix VARCHAR(16), 
	exchange_count INTEGER, 
	last_exchanged_at DATETIME, 
	id INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	scopes TEXT, 
	expires_at DATETIME, 
	owner_id INTEGER, 
	spawner_id INTEGER, 
	CONSTRAINT pk_share_codes PRIMARY KEY (id), 
	CONSTRAINT uq_share_codes_hashed UNIQUE (hashed), 
	CONSTRAINT fk_share_codes_owner_id_users FOREIGN KEY(owner_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_share_codes_spawner_id_spawners FOREIGN KEY(spawner_id) REFERENCES spawners (id) ON DELETE CASCADE
);
CREATE TABLE shares (
	user_id INTEGER, 
	group_id INTEGER, 
	id INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	scopes TEXT, 
	expires_at DATETIME, 
	owner_id INTEGER, 
	spawner_id INTEGER, 
	CONSTRAINT pk_shares PRIMARY KEY (id), 
	CONSTRAINT fk_shares_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_shares_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE, 
	CONSTRAINT fk_shares_owner_id_users FOREIGN KEY(owner_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_shares_spawner_id_spawners FOREIGN KEY(spawner_id) REFERENCES spawners (id) ON DELETE CASCADE
);
CREATE TABLE spawners (
	id INTEGER NOT NULL, 
	user_id INTEGER, 
	server_id INTEGER, 
	state TEXT, 
	name VARCHAR(255), 
	started DATETIME, 
	last_activity DATETIME, 
	user_options TEXT, 
	oauth_client_id VARCHAR(255), 
	CONSTRAINT pk_spawners PRIMARY KEY (id), 
	CONSTRAINT fk_spawners_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_spawners_server_id_servers FOREIGN KEY(server_id) REFERENCES servers (id) ON DELETE SET NULL, 
	CONSTRAINT fk_spawners_oauth_client_id_oauth_clients FOREIGN KEY(oauth_client_id) REFERENCES oauth_clients (identifier) ON DELETE SET NULL
);
INSERT INTO "spawners" VALUES(1,1,1,'{"object_id": "c0ffee", "object_name": "tinytorch-student-20001"}','','2026-11-21 16:24:16.584912','2026-11-21 16:24:16.584912',NULL,'jupyterhub-user-ada');
INSERT INTO "spawners" VALUES(2,2,NULL,NULL,'',NULL,NULL,NULL,NULL);
INSERT INTO "spawners" VALUES(3,3,NULL,NULL,'',NULL,NULL,NULL,NULL);
CREATE TABLE user_group_map (
	user_id INTEGER NOT NULL, 
	group_id INTEGER NOT NULL, 
	CONSTRAINT pk_user_group_map PRIMARY KEY (user_id, group_id), 
	CONSTRAINT fk_user_group_map_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_user_group_map_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE
);
INSERT INTO "user_group_map" VALUES(1,1);
INSERT INTO "user_group_map" VALUES(2,1);
INSERT INTO "user_group_map" VALUES(1,2);
INSERT INTO "user_group_map" VALUES(3,3);
INSERT INTO "user_group_map" VALUES(2,4);
CREATE TABLE user_role_map (
	user_id INTEGER NOT NULL, 
	role_id INTEGER NOT NULL, 
	managed_by_auth BOOLEAN NOT NULL, 
	CONSTRAINT pk_user_role_map PRIMARY KEY (user_id, role_id), 
	CONSTRAINT fk_user_role_map_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_user_role_map_role_id_roles FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);
INSERT INTO "user_role_map" VALUES(1,1,0);
INSERT INTO "user_role_map" VALUES(2,1,0);
INSERT INTO "user_role_map" VALUES(3,1,0);
CREATE TABLE users (
	id INTEGER NOT NULL, 
	name VARCHAR(255), 
	admin BOOLEAN, 
	created DATETIME, 
	last_activity DATETIME, 
	cookie_id VARCHAR(255) NOT NULL, 
	state TEXT, 
	encrypted_auth_state BLOB, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_name UNIQUE (name), 
	CONSTRAINT uq_users_cookie_id UNIQUE (cookie_id)
);
INSERT INTO "users" VALUES(1,'ada',0,'2026-11-21 16:24:15.217210','2026-11-21 16:24:16.584912','615763e3b2b4418681fbfe887961f3f5','{}',NULL);
INSERT INTO "users" VALUES(2,'ben',0,'2026-11-21 16:24:15.429059',NULL,'f22efc9f331b48ceaacd263c5c798f77',NULL,NULL);
INSERT INTO "users" VALUES(3,'prof',0,'2026-11-21 16:24:15.568085',NULL,'2c10e0e7e1a94762834aff0251607327',NULL,NULL);
CREATE INDEX ix_share_codes_prefix ON share_codes (prefix);
CREATE INDEX ix_api_tokens_prefix ON api_tokens (prefix);
COMMIT;
