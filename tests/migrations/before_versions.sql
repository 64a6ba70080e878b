CREATE TABLE ledger_entries (
	seq INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	body TEXT NOT NULL, 
	digest VARCHAR(32) NOT NULL, 
	PRIMARY KEY (seq)
);
CREATE TABLE ledger_patients (
	set_id VARCHAR(32) NOT NULL, 
	members TEXT NOT NULL, 
	PRIMARY KEY (set_id)
);
CREATE TABLE readings (
	reading_id VARCHAR(16) NOT NULL, 
	reader VARCHAR(40) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	finding VARCHAR(200) NOT NULL, 
	n_cases INTEGER NOT NULL, 
	balanced BOOLEAN NOT NULL, 
	told_after_each BOOLEAN NOT NULL, 
	begun_at FLOAT NOT NULL, 
	PRIMARY KEY (reading_id)
);
CREATE INDEX ix_readings_fingerprint ON readings (fingerprint);
CREATE TABLE reading_answers (
	reading_id VARCHAR(16) NOT NULL, 
	place INTEGER NOT NULL, 
	case_id VARCHAR(64) NOT NULL, 
	present BOOLEAN NOT NULL, 
	confidence INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	answered_at FLOAT NOT NULL, 
	PRIMARY KEY (reading_id, place), 
	FOREIGN KEY(reading_id) REFERENCES readings (reading_id)
);
CREATE TABLE readings_given_up (
	reading_id VARCHAR(16) NOT NULL, 
	given_up_at FLOAT NOT NULL, 
	PRIMARY KEY (reading_id), 
	FOREIGN KEY(reading_id) REFERENCES readings (reading_id)
);
