/* SPDX-License-Identifier: MIT */
/*
 * inspect/audit_tables.c: see inspect/audit_tables.h.
 */
#include "inspect/audit_tables.h"

#include <string.h>

#define TCP  BERTH_TRANSPORT_TCP
#define UDP  BERTH_TRANSPORT_UDP
#define BOTH ((unsigned)BERTH_TRANSPORT_TCP | (unsigned)BERTH_TRANSPORT_UDP)

#define DATABASE      "A database is asked by its own programs, mostly on the same host."
#define NO_PASSWORD   "It asks nobody for a password unless told to."
#define RUNS_CODE     "Whoever reaches it runs code here."
#define REFLECTS      "It answers forged requests: others are flooded with its answers."
#define ARGUMENT(...) "start it with " __VA_ARGS__

/* Where several rows match, the first counts. */
static const struct audit_service services[] = {
    {"the Docker API", 2375, 2375, TCP, AUDIT_BY_EITHER, NULL, AUDIT_HIGH, false,
     "Whoever reaches it is root on this host.",
     "take tcp:// out of \"hosts\" in /etc/docker/daemon.json; from afar, ssh:// or TLS (2376)",
     NULL},
    {"Redis", 6379, 6379, TCP, AUDIT_BY_EITHER, "redis-server valkey-server", AUDIT_HIGH, false,
     DATABASE " " NO_PASSWORD, "bind 127.0.0.1 -::1 in redis.conf", NULL},
    {"memcached", 11211, 11211, BOTH, AUDIT_BY_EITHER, "memcached", AUDIT_HIGH, false,
     NO_PASSWORD " Over UDP it answers forged requests, a flood for others.",
     "-l 127.0.0.1 in /etc/memcached.conf", NULL},
    {"MongoDB", 27017, 27019, TCP, AUDIT_BY_EITHER, "mongod mongos", AUDIT_HIGH, false,
     DATABASE " " NO_PASSWORD, "bindIp: 127.0.0.1 in /etc/mongod.conf", NULL},
    {"Elasticsearch", 9200, 9209, TCP, AUDIT_BY_BOTH, "java", AUDIT_HIGH, false, DATABASE,
     "network.host: _local_ in elasticsearch.yml", NULL},
    {"Cassandra", 9042, 9042, TCP, AUDIT_BY_BOTH, "java", AUDIT_HIGH, false,
     DATABASE " " NO_PASSWORD, "rpc_address: localhost in cassandra.yaml", NULL},
    {"ZooKeeper", 2181, 2181, TCP, AUDIT_BY_BOTH, "java", AUDIT_HIGH, false, NO_PASSWORD,
     "clientPortAddress=127.0.0.1 in zoo.cfg", NULL},
    {"etcd", 2379, 2379, TCP, AUDIT_BY_EITHER, NULL, AUDIT_HIGH, false,
     "It keeps a cluster's configuration and secrets. " NO_PASSWORD,
     ARGUMENT("--listen-client-urls http://127.0.0.1:2379"), NULL},
    {"PostgreSQL", 5432, 5432, TCP, AUDIT_BY_EITHER, "postgres postmaster", AUDIT_HIGH, false,
     DATABASE, "listen_addresses = 'localhost' in postgresql.conf, then restart it",
     "sudo -u postgres psql -p @PORT@ -c \"ALTER SYSTEM SET listen_addresses = 'localhost'\" && "
     "sudo systemctl restart postgresql"},
    {"MySQL", 3306, 3306, TCP, AUDIT_BY_EITHER, "mysqld mariadbd", AUDIT_HIGH, false, DATABASE,
     "bind-address = 127.0.0.1 under [mysqld] in its configuration", NULL},
    {"MySQL's X protocol", 33060, 33060, TCP, AUDIT_BY_BOTH, "mysqld", AUDIT_HIGH, false, DATABASE,
     "mysqlx-bind-address = 127.0.0.1 under [mysqld] in its configuration", NULL},
    {"SQL Server", 1433, 1433, TCP, AUDIT_BY_EITHER, "sqlservr", AUDIT_HIGH, false, DATABASE,
     "mssql-conf set network.ipaddress 127.0.0.1", NULL},
    {"Oracle's listener", 1521, 1521, TCP, AUDIT_BY_PROGRAM, "tnslsnr", AUDIT_HIGH, false, DATABASE,
     "HOST = localhost in listener.ora", NULL},
    {"CouchDB", 5984, 5984, TCP, AUDIT_BY_EITHER, NULL, AUDIT_HIGH, false, DATABASE,
     "bind_address = 127.0.0.1 under [chttpd] in local.ini", NULL},
    {"InfluxDB", 8086, 8086, TCP, AUDIT_BY_PROGRAM, "influxd influxdb3", AUDIT_HIGH, false,
     DATABASE, "127.0.0.1:8086 as its HTTP bind address", NULL},
    {"ClickHouse", 8123, 9000, TCP, AUDIT_BY_PROGRAM, "clickhouse-serv", AUDIT_HIGH, false,
     DATABASE, "<listen_host>127.0.0.1</listen_host> in config.xml", NULL},
    {"an X display", 6000, 6063, TCP, AUDIT_BY_PROGRAM, "Xorg X Xvfb Xwayland Xephyr", AUDIT_HIGH,
     false, "Whoever may draw on a display sees every key that is typed on it.",
     ARGUMENT("-nolisten tcp"), NULL},
    {"a screen (VNC)", 5900, 5909, TCP, AUDIT_BY_EITHER, "Xvnc Xtigervnc Xtightvnc x11vnc",
     AUDIT_HIGH, false, "It shows and drives a screen, mostly in the clear.",
     ARGUMENT("-localhost, and ssh -L to it"), NULL},
    {"a debugger (gdbserver)", 0, 0, TCP, AUDIT_BY_PROGRAM, "gdbserver lldb-server", AUDIT_HIGH,
     false, RUNS_CODE, ARGUMENT("localhost:PORT"), NULL},
    {"a debugger (Delve)", 0, 0, TCP, AUDIT_BY_PROGRAM, "dlv", AUDIT_HIGH, false, RUNS_CODE,
     ARGUMENT("--listen=127.0.0.1:PORT"), NULL},
    {"a debugger (Node.js)", 9229, 9230, TCP, AUDIT_BY_BOTH, "node nodejs MainThread", AUDIT_HIGH,
     false, RUNS_CODE, ARGUMENT("--inspect=127.0.0.1:9229"), NULL},
    {"a debugger (Java)", 5005, 5005, TCP, AUDIT_BY_BOTH, "java", AUDIT_HIGH, false, RUNS_CODE,
     ARGUMENT("address=localhost:5005 in -agentlib:jdwp"), NULL},
    {"a debugger (debugpy)", 5678, 5678, TCP, AUDIT_BY_BOTH, "python python3", AUDIT_HIGH, false,
     RUNS_CODE, ARGUMENT("--listen 127.0.0.1:5678"), NULL},
    {"the Android debug bridge", 5037, 5037, TCP, AUDIT_BY_EITHER, "adb", AUDIT_HIGH, false,
     RUNS_CODE, "start it without -a", NULL},
    {"a Java RMI registry", 1099, 1099, TCP, AUDIT_BY_EITHER, "rmiregistry", AUDIT_HIGH, false,
     "Objects that are sent to it may run code here.", NULL, NULL},
    {"distcc", 3632, 3632, TCP, AUDIT_BY_EITHER, "distccd", AUDIT_HIGH, false, RUNS_CODE,
     ARGUMENT("--listen 127.0.0.1"), NULL},
    {"PHP-FPM", 0, 0, TCP, AUDIT_BY_PROGRAM,
     "php-fpm php-fpm7.4 php-fpm8.0 php-fpm8.1 php-fpm8.2 php-fpm8.3 php-fpm8.4", AUDIT_HIGH, false,
     RUNS_CODE " Its web server is what asks it.", "listen = 127.0.0.1:9000 in its pool's file",
     NULL},
    {"a notebook (Jupyter)", 8888, 8889, TCP, AUDIT_BY_BOTH,
     "python python3 jupyter-lab jupyter-noteboo", AUDIT_MEDIUM, false,
     "Whoever has its token runs code here.", ARGUMENT("--ip=127.0.0.1"), NULL},
    {"Ollama", 11434, 11434, TCP, AUDIT_BY_EITHER, "ollama", AUDIT_MEDIUM, false,
     "It asks nobody for a password.", "OLLAMA_HOST=127.0.0.1 in its environment", NULL},
    {"the Erlang port mapper", 4369, 4369, TCP, AUDIT_BY_EITHER, "epmd", AUDIT_MEDIUM, false,
     "It tells where Erlang's nodes listen, which run code for who knows their cookie.",
     "ERL_EPMD_ADDRESS=127.0.0.1 in its environment", NULL},
    {"Consul", 8500, 8500, TCP, AUDIT_BY_BOTH, "consul", AUDIT_HIGH, false, NO_PASSWORD,
     "client_addr = \"127.0.0.1\" in its configuration", NULL},
    {"rpcbind", 111, 111, BOTH, AUDIT_BY_EITHER, "rpcbind", AUDIT_MEDIUM, true,
     "It is for NFS before version 4. " REFLECTS, "stop it, where nobody needs that", NULL},
    {"SNMP", 161, 161, UDP, AUDIT_BY_EITHER, "snmpd", AUDIT_MEDIUM, true,
     "Versions 1 and 2c send their password in the clear. " REFLECTS,
     "agentaddress 127.0.0.1 in snmpd.conf", NULL},
    {"CUPS", 631, 631, TCP, AUDIT_BY_EITHER, "cupsd", AUDIT_MEDIUM, true,
     "Printers are for this network.", "Listen localhost:631 in cupsd.conf", NULL},
    {"Windows shares (SMB)", 445, 445, TCP, AUDIT_BY_EITHER, "smbd", AUDIT_HIGH, true,
     "Shares are for this network; worms look for them elsewhere.",
     "interfaces (with bind interfaces only = yes) in smb.conf keeps it to this network", NULL},
    {"Windows shares (NetBIOS)", 139, 139, TCP, AUDIT_BY_EITHER, NULL, AUDIT_HIGH, true,
     "Shares are for this network; worms look for them elsewhere.",
     "interfaces (with bind interfaces only = yes) in smb.conf keeps it to this network", NULL},
    {"NFS", 2049, 2049, TCP, AUDIT_BY_EITHER, NULL, AUDIT_HIGH, true,
     "It believes its clients who they are, unless it has Kerberos.",
     "host=127.0.0.1 under [nfsd] in /etc/nfs.conf", NULL},
    {"echo", 7, 7, BOTH, AUDIT_BY_EITHER, NULL, AUDIT_MEDIUM, false, REFLECTS,
     "comment it out in /etc/inetd.conf", NULL},
    {"daytime", 13, 13, BOTH, AUDIT_BY_EITHER, NULL, AUDIT_MEDIUM, false, REFLECTS,
     "comment it out in /etc/inetd.conf", NULL},
    {"qotd", 17, 17, BOTH, AUDIT_BY_EITHER, NULL, AUDIT_MEDIUM, false, REFLECTS,
     "comment it out in /etc/inetd.conf", NULL},
    {"chargen", 19, 19, BOTH, AUDIT_BY_EITHER, NULL, AUDIT_MEDIUM, false, REFLECTS,
     "comment it out in /etc/inetd.conf", NULL},
};

#define PASSWORDS "Passwords and all else cross the network as they are."
#define UPGRADES  "Passwords cross the network as they are, unless both ends insist on TLS in it."

static const struct audit_cleartext cleartexts[] = {
    {23, TCP, "telnet", "ssh", 22, AUDIT_HIGH, PASSWORDS},
    {512, TCP, "exec", "ssh", 22, AUDIT_HIGH, PASSWORDS},
    {513, TCP, "login", "ssh", 22, AUDIT_HIGH, PASSWORDS},
    {514, TCP, "shell", "ssh", 22, AUDIT_HIGH, PASSWORDS},
    {21, TCP, "ftp", "ftps", 990, AUDIT_MEDIUM, UPGRADES},
    {110, TCP, "pop3", "pop3s", 995, AUDIT_MEDIUM, UPGRADES},
    {143, TCP, "imap", "imaps", 993, AUDIT_MEDIUM, UPGRADES},
    {389, TCP, "ldap", "ldaps", 636, AUDIT_MEDIUM, UPGRADES},
    {1883, TCP, "mqtt", "secure-mqtt", 8883, AUDIT_MEDIUM, PASSWORDS},
    {5672, TCP, "amqp", "amqps", 5671, AUDIT_MEDIUM, PASSWORDS},
    {25, TCP, "smtp", "submissions", 465, AUDIT_LOW,
     UPGRADES
     " Mail servers need it between them; a host that takes no mail from others does not."},
    {587, TCP, "submission", "submissions", 465, AUDIT_LOW, UPGRADES},
    {80, TCP, "http", "https", 443, AUDIT_LOW,
     "Pages and passwords cross the network as they are, unless all it does is send people on to "
     "https."},
    {8080, TCP, "http-alt", "https", 443, AUDIT_LOW, PASSWORDS},
    {119, TCP, "nntp", "nntps", 563, AUDIT_LOW, UPGRADES},
    {194, TCP, "irc", "ircs-u", 6697, AUDIT_LOW, PASSWORDS},
    {514, UDP, "syslog", "syslog-tls", 6514, AUDIT_LOW,
     "What is logged crosses the network as it is, and anyone can add to it."},
    {5060, BOTH, "sip", "sips", 5061, AUDIT_LOW, "Who calls whom crosses the network as it is."},
};

#define WEB "http https http-alt"

static const struct audit_program programs[] = {
    {"sshd", "ssh",
     "sudo sed -i 's/^Port @PORT@$/Port 22/' $(grep -rl '^Port @PORT@$' /etc/ssh/sshd_config "
     "/etc/ssh/sshd_config.d) && sudo systemctl restart ssh"},
    {"dropbear", "ssh", NULL},
    {"postgres", "postgresql",
     "sudo -u postgres psql -p @PORT@ -c \"ALTER SYSTEM SET port = 5432\" && "
     "sudo systemctl restart postgresql"},
    {"mysqld", "mysql mysqlx", NULL},
    {"mariadbd", "mysql", NULL},
    {"redis-server", "redis", NULL},
    {"memcached", "memcache", NULL},
    {"mongod", "mongodb", NULL},
    {"named", "domain domain-s https http rndc", NULL},
    {"unbound", "domain domain-s https", NULL},
    {"dnsmasq", "domain bootps bootpc tftp dhcpv6-server dhcpv6-client", NULL},
    {"exim4", "smtp submission submissions", NULL},
    {"dovecot", "imap imaps pop3 pop3s submission submissions", NULL},
    {"vsftpd", "ftp ftps ftp-data", NULL},
    {"proftpd", "ftp ftps ftp-data", NULL},
    {"in.telnetd", "telnet", NULL},
    {"cupsd", "ipp ipps " WEB, NULL},
    {"smbd", "microsoft-ds netbios-ssn", NULL},
    {"nmbd", "netbios-ns netbios-dgm", NULL},
    {"snmpd", "snmp snmptrap agentx", NULL},
    {"chronyd", "ntp", NULL},
    {"ntpd", "ntp", NULL},
    {"slapd", "ldap ldaps", NULL},
    {"mosquitto", "mqtt secure-mqtt " WEB, NULL},
    {"apache2", WEB, NULL},
    {"httpd", WEB, NULL},
    {"lighttpd", WEB, NULL},
};

/* Proxies of all kinds. */
static const char fronts[] = "nginx haproxy caddy traefik envoy stunnel4 stunnel ssh socat ncat "
                             "pgbouncer pgpool twemproxy nutcracker berth";

const struct audit_service *audit_service_at(size_t index)
{
    return index < sizeof services / sizeof services[0] ? &services[index] : NULL;
}

const struct audit_cleartext *audit_cleartext_at(size_t index)
{
    return index < sizeof cleartexts / sizeof cleartexts[0] ? &cleartexts[index] : NULL;
}

const struct audit_program *audit_program_find(const char *name)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (strcmp(programs[i].name, name) == 0) {
            return &programs[i];
        }
    }
    return NULL;
}

bool audit_has_word(const char *list, const char *word)
{
    size_t bytes = strlen(word);

    for (const char *at = list; bytes > 0 && *at != '\0';) {
        size_t length = strcspn(at, " ");

        if (length == bytes && memcmp(at, word, length) == 0) {
            return true;
        }
        at += length;
        at += strspn(at, " ");
    }
    return false;
}

bool audit_is_front(const char *name)
{
    return audit_has_word(fronts, name);
}
