# The front door. `make` alone lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

PYTHON ?= python3
CONFIG ?= config/classroom.yml
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
python := .venv/bin/python
settings = $(python) -m config.settings
playbook = ANSIBLE_CONFIG=ansible/ansible.cfg .venv/bin/ansible-playbook -e settings_file=$(abspath $(CONFIG)) $(become)
# A sudo that asks is asked once, by Ansible; root needs none.
become = $(if $(SUDO),--become $(shell sudo -n true 2>/dev/null || echo --ask-become-pass))
compose = ansible/compose.sh $(abspath $(CONFIG))

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

# ---- the classroom ----

.PHONY: deploy
deploy: privileged .venv/deploy ## turn this machine into a classroom; run it again after any change
	@$(settings) check --config $(CONFIG)
	$(playbook) ansible/deploy.yml
	$(settings) welcome --config $(CONFIG)

.PHONY: up
up: privileged .venv/deploy ## start a deployed classroom, also after a reboot
	@$(playbook) ansible/up.yml

.PHONY: down
down: privileged .venv/deploy ## stop the classroom; work, marks and the engine stay
	@$(playbook) ansible/down.yml

.PHONY: undeploy
undeploy: privileged .venv/deploy ## take the classroom off this machine; PURGE=yes deletes work and marks too
	@$(playbook) ansible/undeploy.yml -e purge=$(if $(filter yes,$(PURGE)),true,false)

.PHONY: status
status: privileged .venv/deploy ## what runs, and how it is; how old the last backup is
	@$(settings) address --config $(CONFIG)
	$(compose) ps --all --format 'table {{.Service}}\t{{.Status}}'
	$(compose) exec -T api python -m course.calendar state 2> /dev/null || true
	$(SUDO) $(python) -m backup.record $$($(settings) get state --config $(CONFIG))

.PHONY: backup
backup: privileged .venv/deploy ## copy work, marks, accounts and secrets, encrypted, while people work: TO=FOLDER
	@ansible/backup.sh $(abspath $(CONFIG)) "$(TO)"

.PHONY: backups
backups: privileged .venv/deploy ## the backups that there are: FROM=FOLDER
	@ansible/restore.sh ask $(abspath $(CONFIG))
	ansible/restore.sh ready $(abspath $(CONFIG)) || $(playbook) ansible/restore.yml
	ansible/restore.sh list $(abspath $(CONFIG))

.PHONY: backup-key
backup-key: privileged .venv/deploy ## show the key of the backups, to be kept away from this machine
	@state=$$($(settings) get state --config $(CONFIG))
	$(SUDO) sed -n 's/^TT_BACKUP_PASSWORD=//p' $$state/secrets/secrets.env 2> /dev/null | grep . ||
	  { echo "$$state holds no key of backups. \`make deploy\` makes one." >&2; exit 1; }

.PHONY: restore
# Who and what by the environment, so that no shell reads a file's name as anything else. USER alone is one's own account.
restore backups: export TT_FROM = $(FROM)
restore backups: export TT_KEY = $(KEY)
restore: export TT_AT = $(AT)
restore: export TT_REPLACE = $(REPLACE)
restore: export TT_FILE = $(if $(findstring command,$(origin FILE)),$(FILE))
restore: export TT_USER = $(if $(findstring command,$(origin USER)),$(USER))
restore: privileged .venv/deploy ## the classroom back from a backup, also on a bare machine: FROM=FOLDER; one student's files: USER=ada [FILE=course/tensor.ipynb]; AT=ID
	@[ -n "$$TT_USER" ] || [ -z "$$TT_FILE" ] || { echo "Whose file? make restore USER=NAME FILE=PATH." >&2; exit 2; }
	ansible/restore.sh ask $(abspath $(CONFIG))
	ansible/restore.sh ready $(abspath $(CONFIG)) || $(playbook) ansible/restore.yml
	if [ -n "$$TT_USER" ]; then
	  ansible/restore.sh student $(abspath $(CONFIG))
	  exit
	fi
	ansible/restore.sh all $(abspath $(CONFIG))
	$(MAKE) --no-print-directory deploy CONFIG=$(CONFIG)

.PHONY: logs
logs: privileged .venv/deploy ## the services' last words; SERVICE=hub for one of them
	@$(compose) logs --tail 200 $(SERVICE)

.PHONY: password
password: privileged .venv/deploy ## show the admin's first password, once
	@file=$$($(settings) get state --config $(CONFIG))/secrets/first-password
	$(SUDO) test -f $$file || { echo "The first password has been shown already. A forgotten one: make reset USER=NAME." >&2; exit 1; }
	$(SUDO) cat $$file
	$(SUDO) rm $$file

.PHONY: reset
reset: privileged .venv/deploy ## a new one-time password for an account: USER=NAME
	@[ "$(origin USER)" = "command line" ] || { echo "Whose? make reset USER=NAME." >&2; exit 2; }
	$(compose) exec -T hub python -m hub.accounts reset $(USER)

.PHONY: forget
forget: privileged .venv/deploy ## free an account from the person of the campus who has it: USER=NAME
	@[ "$(origin USER)" = "command line" ] || { echo "Whose? make forget USER=NAME." >&2; exit 2; }
	$(compose) exec -T hub python -m hub.signin forget $(USER)

.PHONY: roster
roster: privileged .venv/deploy ## make the class from a CSV (name,id,email,section,role): FILE=class.csv; WHOLE=yes: who is not in it, has left
	@test -n "$(FILE)" || { echo "Which file? make roster FILE=class.csv (columns: name,id,email,section,role)." >&2; exit 2; }
	test -r "$(FILE)" || { echo "$(FILE) cannot be read. Check the path: make roster FILE=class.csv." >&2; exit 2; }
	ansible/roster.sh $(abspath $(CONFIG)) "$(FILE)" $(if $(filter yes,$(WHOLE)),--whole)

.PHONY: members
members: privileged .venv/deploy ## print the members of the LMS's courses as a roster, where people come from an LMS
	@$(compose) exec -T hub python -m hub.launch members

.PHONY: warm
warm: privileged .venv/deploy ## start students' servers ahead of a class: SECTION=A for a section; Ctrl-C stops it
	@ansible/warm.sh $(abspath $(CONFIG)) "$(SECTION)"

.PHONY: calendar
calendar: privileged .venv/deploy ## check the class's calendar and show it; FILE=calendar.yml installs another
	@ansible/calendar.sh $(abspath $(CONFIG)) "$(FILE)"

.PHONY: announce
# As it was typed: make expands nothing in it, and no shell reads it.
announce: given := $(origin TEXT)
announce: export TT_ANNOUNCE_TEXT := $(value TEXT)
announce: export TT_ANNOUNCE_UNTIL := $(value UNTIL)
unexport TEXT UNTIL
announce: privileged .venv/deploy ## tell everybody at once: TEXT="..." [UNTIL=18:00]; TEXT= takes it back, without TEXT shows it
	@$(compose) exec -T api python -m course.announcement \
		$(if $(filter undefined,$(given)),,--text="$$TT_ANNOUNCE_TEXT") --until="$$TT_ANNOUNCE_UNTIL"

.PHONY: config
config: .venv/deploy ## the settings in force
	@$(settings) show --config $(CONFIG)

.PHONY: course
TRACK = $(shell $(settings) get course.track --config $(CONFIG))
course: .venv/deploy ## build the course's notebooks and its reference package: TRACK=discovery
	@$(python) -m course.builder --track $(TRACK) --into build/course

# ---- for developers ----

.PHONY: check
check: .venv/dev ## lint, types, unit tests (under 3 minutes)
	@PATH=$(CURDIR)/.venv/bin:$$PATH ./tests/check.sh

.PHONY: test
test: privileged .venv/dev check ## everything, on a real classroom of its own beside yours (under 30 minutes)
	@PATH=$(CURDIR)/.venv/bin:$$PATH ./tests/test.sh

.PHONY: lock
lock: .venv/dev ## renew every lock file; UPGRADE=yes takes the newest versions
	@PATH=$(CURDIR)/.venv/bin:$$PATH requirements/lock.sh $(if $(filter yes,$(UPGRADE)),--upgrade)

.PHONY: privileged
privileged:
	@[ "$$(id -u)" = 0 ] || command -v sudo > /dev/null || { echo "This needs root: run it as root, or install sudo and let your user use it." >&2; exit 1; }

.venv/deploy: requirements/deploy.txt pyproject.toml
	@[ -f .venv/dev ] || PYTHON=$(PYTHON) ansible/bootstrap.sh requirements/deploy.txt
	touch $@

.venv/dev: requirements/dev.txt pyproject.toml
	@PYTHON=$(PYTHON) ansible/bootstrap.sh requirements/dev.txt
	touch $@ .venv/deploy
