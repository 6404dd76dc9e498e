#!/usr/bin/env bash
# Starts servers of Debian on loopback and has TestRecordFirstReplies write down what each of them answers first to each
# handshake of the module auto. All of it happens in namespaces of its own, and ends with them:
#
#	unshare -n -m -p -f --mount-proc grab/service/testdata/first_replies.sh
#
# The servers are those named in first_replies.json, from their packages (.ci/install installs).
set -u
cd "$(dirname "$0")/.."
ip link set lo up
mount -t tmpfs tmpfs /run
D=/run/lab; mkdir -p $D; chmod 755 $D
H=127.0.0.1
mkdir $D/m; chown mysql $D/m; ( mariadb-install-db --user=mysql --datadir=$D/m --skip-test-db >/dev/null 2>&1; exec mariadbd --no-defaults --user=mysql --datadir=$D/m --socket=$D/m/s --port=30001 --bind-address=$H ) >$D/maria.log 2>&1 &
mkdir $D/p; chown postgres $D/p; su postgres -c "/usr/lib/postgresql/15/bin/initdb -D $D/p -A trust >/dev/null 2>&1; exec /usr/lib/postgresql/15/bin/postgres -D $D/p -p 30002 -k $D/p -h $H" >$D/pg.log 2>&1 &
printf "listener 30003 $H\nallow_anonymous true\n" > $D/mosq.conf; mosquitto -c $D/mosq.conf >/dev/null 2>&1 &
mkdir $D/l; printf "include /etc/ldap/schema/core.schema\npidfile $D/l/pid\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\nsuffix dc=example,dc=test\ndirectory $D/l\n" > $D/slapd.conf
slapd -f $D/slapd.conf -h ldap://$H:30004 -d 0 >$D/slapd.log 2>&1 &
redis-server --port 30005 --bind $H --save '' >/dev/null 2>&1 &
memcached -u nobody -p 30006 -U 0 -l $H >/dev/null 2>&1 &
mkdir -p /run/sshd; ssh-keygen -q -t ed25519 -N '' -f $D/k; /usr/sbin/sshd -D -o HostKey=$D/k -o Port=30007 -o ListenAddress=$H -o PidFile=none >/dev/null 2>&1 &
mkdir -p /run/vsftpd/empty; printf "listen=YES\nlisten_address=$H\nlisten_port=30008\nsecure_chroot_dir=/run/vsftpd/empty\nbackground=NO\nanonymous_enable=NO\nlocal_enable=YES\nftpd_banner=Welcome to the file service.\n" >$D/vs.conf; vsftpd $D/vs.conf >/dev/null 2>&1 &
mkdir -p $D/dov; printf "protocols = imap pop3\nbase_dir = $D/dov\nlog_path=$D/dov.log\nssl=no\nlisten=$H\nservice imap-login {\n inet_listener imap {\n port=30009\n }\n inet_listener imaps {\n port=0\n }\n}\nservice pop3-login {\n inet_listener pop3 {\n port=30010\n }\n inet_listener pop3s {\n port=0\n }\n}\npassdb {\n driver=static\n args=nopassword=y\n}\nuserdb {\n driver=static\n args=uid=nobody gid=nogroup home=/nonexistent\n}\n" > $D/dovecot.conf; dovecot -F -c $D/dovecot.conf >$D/dov2.log 2>&1 &
exim4 -bdf -oX 30011 -oP /run/lab/exim.pid >$D/exim.log 2>&1 &
openssl req -x509 -newkey rsa:2048 -nodes -keyout $D/tk -out $D/tc -days 2 -subj /CN=www.example.test >/dev/null 2>&1
printf "daemon off; worker_processes 1; pid $D/n.pid; error_log stderr;\nevents { }\nhttp { access_log off; server { listen $H:30012; return 204; } server { listen $H:30013 ssl; ssl_certificate $D/tc; ssl_certificate_key $D/tk; return 204; } }\n" >$D/nginx.conf; nginx -c $D/nginx.conf -e stderr >/dev/null 2>&1 &
printf "Listen $H:30014\nServerRoot /run/lab\n" >$D/cupsd.conf; cupsd -f -c $D/cupsd.conf >$D/cups.log 2>&1 &
printf "[Global]\nName=irc.example.test\nInfo=x\nPorts=30015\nListen=$H\nServerUID=65534\nServerGID=65534\n[Options]\nDNS=no\nIdent=no\nPAM=no\n" >$D/ng.conf; ngircd -n -f $D/ng.conf >$D/ng.log 2>&1 &
beanstalkd -l $H -p 30016 >/dev/null 2>&1 &
mkdir -p $D/pros; chmod 777 $D/pros; cat > $D/prosody.cfg.lua <<X
pidfile="$D/pros/pid"; data_path="$D/pros"; c2s_ports={30017}; s2s_ports={30018}; interfaces={"$H"}; daemonize=false; modules_disabled={"s2s"}; run_as_root=true; log={error="$D/pros/e"}; component_ports={}; http_ports={}; https_ports={}
VirtualHost "localhost"
X
prosody --root --config $D/prosody.cfg.lua >$D/pros.log 2>&1 &
mkdir -p /run/named; printf "options { directory \"$D\"; listen-on port 30019 { $H; }; listen-on-v6 { none; }; recursion no; pid-file none; };\ncontrols {};\n" >$D/named.conf; named -g -c $D/named.conf >$D/named.log 2>&1 &
cat > $D/kam.cfg <<X
listen=tcp:$H:30020
loadmodule "sl.so"
request_route { sl_send_reply("403","no"); }
X
kamailio -DD -E -f $D/kam.cfg -Y $D -P $D/kam.pid >$D/kam.log 2>&1 &
sed "s/^port=.*/port=30021/;s/^address=.*//" /etc/xrdp/xrdp.ini >$D/xrdp.ini; cp /etc/xrdp/rsakeys.ini $D/ 2>/dev/null; mkdir -p /run/xrdp/sockdir; xrdp -n -c $D/xrdp.ini >$D/xrdp.log 2>&1 &
mkdir -p $D/smb; printf "[global]\ninterfaces=lo\nbind interfaces only=yes\nsmb ports=30022\nprivate dir=$D/smb\nlock directory=$D/smb\nstate directory=$D/smb\ncache directory=$D/smb\npid directory=$D/smb\nncalrpc dir=$D/smb\nlog file=$D/smb/log\nload printers=no\ndisable spoolss=yes\n" >$D/smb.conf; smbd -F --no-process-group -s $D/smb.conf >$D/smb.log 2>&1 &
printf "internal: $H port=30023\nexternal: $H\nclientmethod: none\nsocksmethod: none\nlogoutput: stderr\nclient pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }\n" >$D/danted.conf; danted -f $D/danted.conf >$D/dante.log 2>&1 &
nats-server -a $H -p 30024 >/dev/null 2>&1 &
svnadmin create $D/svn; svnserve -d --foreground --listen-host $H --listen-port 30026 -r $D/svn >/dev/null 2>&1 &
printf "[x]\npath=$D\n" > $D/rsyncd.conf; rsync --daemon --no-detach --address=$H --port=30027 --config=$D/rsyncd.conf >/dev/null 2>&1 &
gearmand -L $H -p 30028 --user=nobody -l stderr >$D/gear.log 2>&1 &
printf "30030 stream tcp nowait root %s telnetd\n" "$(ls /usr/sbin/telnetd /usr/sbin/in.telnetd /usr/libexec/telnetd 2>/dev/null | head -1)" >$D/inetd.conf
inetutils-inetd -d $D/inetd.conf >$D/inetd.log 2>&1 &
mkdir -p $D/rab; chown rabbitmq $D/rab; su rabbitmq -s /bin/bash -c "HOME=$D/rab RABBITMQ_NODENAME=r@localhost RABBITMQ_MNESIA_BASE=$D/rab RABBITMQ_LOG_BASE=$D/rab RABBITMQ_NODE_IP_ADDRESS=$H RABBITMQ_NODE_PORT=30036 RABBITMQ_PLUGINS_DIR=/nonexistent RABBITMQ_ENABLED_PLUGINS_FILE=$D/rab/e ERL_EPMD_ADDRESS=$H /usr/lib/rabbitmq/bin/rabbitmq-server" >$D/rab.log 2>&1 &
sleep 25 # brokers and databases take their time
ZMAP_RECORD_REPLIES=1 go test -tags minimal -count 1 -run '^TestRecordFirstReplies$' .
