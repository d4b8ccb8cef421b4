#!/usr/bin/env bash
# Boots a REAL systemd (PID 1 of fresh namespaces) over a throwaway overlay of this machine's own root file system,
# runs a command as a normal user with a working `systemctl --user`, and leaves nothing behind.
#
#   run-in-systemd.sh [options] -- COMMAND [ARG...]
#
#   -e, --setenv K=V     environment of the command
#   -o, --out DIR        directory that the command may write to for good, at the same path
#   -r, --readable DIR   directory below /root that the user may look into: what is there is otherwise hidden
#   -t, --timeout SECS   limit of the whole run                        (default: 300) -> exit 124
#       --as-root        run the command as root of that system instead of the user
#       --lower DIR      another root file system instead of /         (such as a debootstrap tree)
#   -v, --verbose        timings on stderr
#       --journal        the system's journal on stderr when the command fails
#
# All that is on / is seen at its own path; what is written lands in the overlay, a tmpfs.
# Needs root, util-linux 2.38, overlayfs, cgroup2, and systemd, dbus-user-session and libpam-systemd installed (not
# running). No network, no machined. Exit code: the command's; 124 timeout, 125 the runner failed, 126 no boot.
set -euo pipefail
TESTUSER=tester

die() { echo "run-in-systemd: $*" >&2; exit 125; }
say() { [ "$VERBOSE" = 1 ] && echo "run-in-systemd: $*" >&2; return 0; }

# ----------------------------- stage 2: inside the new namespaces, becomes PID 1 -------------
if [ "${1-}" = --stage2 ]; then
  shift
  W=$1 LOWER=$2; shift 2   # the rest: directories to bind
  mount -n --make-rprivate /
  mount -n -t tmpfs tmpfs /run    # private from here on; -n: or libmount leaves a /run/mount on the host
  mount -t tmpfs -o size=2G,mode=0755 tether-overlay "$W"
  mkdir "$W/up" "$W/work" "$W/root"
  # redirect_dir/index/metacopy off: plain overlay, no xattr surprises on a shared lower
  mount -t overlay -o "lowerdir=$LOWER,upperdir=$W/up,workdir=$W/work,index=off,metacopy=off,redirect_dir=off" \
        tether-root "$W/root"
  R=$W/root
  # -- API file systems ------------------------------------------------------------------
  mount -t proc -o nosuid,nodev,noexec proc "$R/proc"
  # global sysctls must stay untouched
  mount --bind "$R/proc/sys" "$R/proc/sys";  mount -o remount,bind,ro "$R/proc/sys"
  [ -e "$R/proc/sysrq-trigger" ] && mount --bind /dev/null "$R/proc/sysrq-trigger"
  # a user namespace may mount /proc only where a whole one is to be seen
  mkdir -p "$R/var/lib/whole-proc"; mount -t proc -o nosuid,nodev,noexec proc "$R/var/lib/whole-proc"
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$R/sys"
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$R/sys/fs/cgroup"   # root = our cgroupns root
  mount -t tmpfs -o mode=0755,nosuid tmpfs "$R/dev"
  for n in null zero full random urandom tty; do : >"$R/dev/$n"; mount --bind "/dev/$n" "$R/dev/$n"; done
  [ -c /dev/fuse ] && { : >"$R/dev/fuse"; mount --bind /dev/fuse "$R/dev/fuse"; }
  mkdir "$R/dev/pts" "$R/dev/shm" "$R/dev/mqueue"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$R/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$R/dev/shm"
  ln -s pts/ptmx "$R/dev/ptmx"; ln -s /proc/self/fd "$R/dev/fd"
  ln -s fd/0 "$R/dev/stdin"; ln -s fd/1 "$R/dev/stdout"; ln -s fd/2 "$R/dev/stderr"
  : >"$R/dev/console"; mount --bind /dev/null "$R/dev/console"
  mount -t tmpfs -o mode=0755,nosuid,nodev,size=25% tmpfs "$R/run"
  # -- identity, user ----------------------------------------------------------------------
  tr -d - </proc/sys/kernel/random/uuid >"$R/etc/machine-id"
  hostname tether-test; echo tether-test >"$R/etc/hostname"
  printf '127.0.0.1 localhost tether-test\n::1 localhost\n' >"$R/etc/hosts"
  chroot "$R" getent passwd "$TESTUSER" >/dev/null ||
    chroot "$R" useradd --create-home --shell /bin/bash --uid 4711 --user-group "$TESTUSER"
  mkdir -p "$R/var/lib/systemd/linger"; : >"$R/var/lib/systemd/linger/$TESTUSER"
  # a toolchain under /root (pyenv, cargo): let the user *traverse* /root, and nothing private
  if [ -d "$R/root" ]; then
    for d in "$R"/root/.[!.]* "$R"/root/*; do
      case ${d##*/} in .pyenv|.cargo|.rustup|.nvm|'*'|'.[!.]*') ;; *) [ -e "$d" ] && chmod go-rwx "$d" ;; esac
    done; chmod 0711 "$R/root"
  fi
  for d in ${READABLE-}; do
    while [ "$d" != / ] && [ -n "$d" ]; do chmod a+x "$R$d"; d=$(dirname "$d"); done
  done
  # -- units: a minimal, quiet, fast system ----------------------------------------------------
  mkdir -p "$R/etc/systemd/system" "$R/etc/systemd/journald.conf.d" "$R/etc/tmpfiles.d" \
           "$R/etc/systemd/system.conf.d" "$R/etc/systemd/logind.conf.d"
  ln -sf /dev/null "$R/etc/tmpfiles.d/tmp.conf"      # Debian's would EMPTY /tmp at boot
  ln -sf /dev/null "$R/etc/tmpfiles.d/x11.conf"
  for u in systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
           systemd-udev-trigger.service systemd-sysctl.service systemd-modules-load.service \
           systemd-timesyncd.service systemd-networkd.service systemd-resolved.service \
           systemd-pstore.service systemd-random-seed.service systemd-remount-fs.service \
           systemd-journald-audit.socket systemd-binfmt.service \
           systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-firstboot.service \
           systemd-machine-id-commit.service systemd-hwdb-update.service systemd-ask-password-console.path \
           systemd-ask-password-wall.path systemd-initctl.socket proc-sys-fs-binfmt_misc.automount \
           sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
           sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount tmp.mount \
           console-getty.service container-getty@.service getty.target getty-static.service \
           cron.service ssh.service postgresql.service e2scrub_reap.service remote-fs.target \
           networking.service ifupdown-pre.service apparmor.service kmod-static-nodes.service \
           systemd-tmpfiles-setup-dev.service ldconfig.service timers.target; do
    ln -sfn /dev/null "$R/etc/systemd/system/$u"
  done
  rm -rf "$R"/etc/systemd/system/*.target.wants "$R"/etc/systemd/system/*.target.requires
  : >"$R/etc/fstab"
  cat >"$R/etc/systemd/system/tether-test.target" <<'U'
[Unit]
Description=Test system
Requires=basic.target dbus.service
Wants=systemd-logind.service systemd-user-sessions.service
After=basic.target dbus.service systemd-logind.service systemd-user-sessions.service
AllowIsolate=yes
U
  printf '[Journal]\nAudit=no\nStorage=persistent\nSystemMaxUse=256M\nRuntimeMaxUse=64M\nRateLimitBurst=0\n' \
    >"$R/etc/systemd/journald.conf.d/99-tether-test.conf"
  rm -rf "$R/var/log/journal"; mkdir -p "$R/var/log/journal"   # persistent => per-user journal files
  printf '[Manager]\nDefaultTimeoutStopSec=10s\nLogTarget=journal\nShowStatus=no\n' \
    >"$R/etc/systemd/system.conf.d/99-tether-test.conf"
  printf '[Login]\nKillUserProcesses=no\n' >"$R/etc/systemd/logind.conf.d/99-tether-test.conf"
  # -- live binds ---------------------------------------------------------------------------
  for b in "$@"; do mkdir -p "$R$b"; mount --rbind "$b" "$R$b"; done
  # -- switch root; the old tree is detached, so nothing of the host's mounts is left --------
  cd "$R"; mkdir -p "$R/.oldroot"; pivot_root . .oldroot
  umount -l /.oldroot; rmdir /.oldroot 2>/dev/null || true
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
       container=tether-test TERM=dumb LANG=C.UTF-8 container_uuid="$(cat /etc/machine-id)" \
    setpriv --bounding-set -sys_module,-sys_time,-sys_rawio,-sys_boot,-audit_control,-audit_write,-syslog \
    /lib/systemd/systemd --system --unit=tether-test.target </dev/null >/dev/console 2>&1
fi

# ----------------------------- stage 1: on the host ------------------------------------------
ORIG=("$@")
TIMEOUT=300 VERBOSE=0 JOURNAL=0 LOWER=/ ASROOT=0
BINDS=() ENVS=() READABLE=()
while [ $# -gt 0 ]; do case $1 in
  -t|--timeout) TIMEOUT=$2; shift 2;;    -e|--setenv) ENVS+=("--setenv=$2"); shift 2;;
  -r|--readable) READABLE+=("$(realpath "$2")"); shift 2;;
  -o|--out) mkdir -p "$2"; chmod 1777 "$2"; BINDS+=("$(realpath "$2")"); shift 2;;
  --lower) LOWER=$(realpath "$2"); shift 2;; --as-root) ASROOT=1; shift;;
  -v|--verbose) VERBOSE=1; shift;;       --journal) JOURNAL=1; shift;;
  -h|--help) sed -n '2,/^set -euo/p' "$0" | sed '$d;s/^# \{0,1\}//'; exit 0;;
  --) shift; break;; -*) die "unknown option $1";; *) break;;
esac; done
[ $# -gt 0 ] || die "no script given (try --help)"
[ "$(id -u)" = 0 ] || die "must be root (namespaces, overlay, cgroup)"
for c in unshare nsenter setpriv pivot_root; do command -v $c >/dev/null || die "missing $c"; done
[ -x /lib/systemd/systemd ] || [ "$LOWER" != / ] || die "systemd is not installed (apt install systemd dbus-user-session libpam-systemd)"
SELF=$(realpath "$0")

# cgroup: one child of our own in the v2 hierarchy (removed at the end); nothing else is touched
CG2=$(awk '{for(i=7;i<=NF;i++) if($i=="-"){ if($(i+1)=="cgroup2") {print $5; exit} }}' /proc/self/mountinfo)
[ -n "$CG2" ] || die "no cgroup2 mount on this host"
CUR=$(sed -n 's/^0:://p' /proc/self/cgroup); CUR=${CUR%/}
ID=tether-test-$$
CG=$CG2$CUR/$ID
# on a host that itself runs systemd (CI runners, laptops): borrow a properly delegated scope, so the
# cgroup single-writer rule holds and the memory/cpu/pids controllers reach the inner systemd
if [ -d /run/systemd/system ] && [ -z "${TETHER_IN_SCOPE-}" ]; then
  exec systemd-run --quiet --scope -p Delegate=yes -E TETHER_IN_SCOPE=1 -- "$SELF" "${ORIG[@]}"
fi
if [ -n "${TETHER_IN_SCOPE-}" ]; then
  unset TETHER_IN_SCOPE
  mkdir -p "$CG2$CUR/runner"; echo $$ >"$CG2$CUR/runner/cgroup.procs"      # no-internal-processes rule
  for c in $(cat "$CG2$CUR/cgroup.controllers"); do echo "+$c" >"$CG2$CUR/cgroup.subtree_control" 2>/dev/null || true; done
fi
# leftovers of runs that were kill -9'ed: their processes died with them (pdeathsig), so what can
# remain is an empty cgroup and an empty directory
for d in "$CG2$CUR"/tether-test-* "${TMPDIR:-/tmp}"/run-in-systemd.*.*; do
  p=${d##*/}; p=${p#tether-test-}; p=${p#run-in-systemd.}; p=${p%%.*}
  [ -d "$d" ] && [ ! -e "/proc/$p" ] || continue
  case $d in */tether-test-*) find "$d" -depth -type d -exec rmdir {} + 2>/dev/null || true;;
             *) rm -f "$d/boot.log"; rmdir "$d" 2>/dev/null || true;; esac
done
W=$(mktemp -d "${TMPDIR:-/tmp}/run-in-systemd.$$.XXXXXX")
LOG=$W/boot.log     # host's view of $W; the overlay's tmpfs is mounted over it only inside
INIT='' UNSHARE='' RUN=''
cg_reap() {  # kill + remove our cgroup subtree
  [ -d "$CG" ] || return 0
  local i
  for i in $(seq 50); do
    echo 1 2>/dev/null >"$CG/cgroup.kill" || true
    find "$CG" -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ -d "$CG" ] || return 0
    sleep 0.1
  done
  echo "run-in-systemd: could not remove $CG" >&2
}
cleanup() {
  trap - EXIT INT TERM HUP
  [ -n "$RUN" ] && kill -KILL "$RUN" 2>/dev/null || true
  [ -n "$INIT" ] && kill -KILL "$INIT" 2>/dev/null || true     # PID 1 of the pid ns: takes all with it
  [ -n "$UNSHARE" ] && { kill -KILL "$UNSHARE" 2>/dev/null || true; wait "$UNSHARE" $RUN 2>/dev/null || true; }
  cg_reap
  rm -f "$LOG"; rmdir "$W" 2>/dev/null || true
}
trap cleanup EXIT; trap 'exit 130' INT; trap 'exit 143' TERM HUP
mkdir "$CG"

T0=$(date +%s%N)
# the inner process enters the cgroup itself, *then* unshares the cgroup namespace
READABLE="${READABLE[*]-}" setpriv --pdeathsig KILL \
unshare --mount --pid --fork --kill-child=KILL --propagation private -- \
  bash -c 'echo 0 >"$1/cgroup.procs"; shift; exec unshare --cgroup --ipc --uts "$@"' _ \
    "$CG" --net -- bash "$SELF" --stage2 "$W" "$LOWER" ${BINDS[@]+"${BINDS[@]}"} \
  </dev/null >"$LOG" 2>&1 &
UNSHARE=$!
boot_fail() { echo "run-in-systemd: $*" >&2; sed 's/^/  | /' "$LOG" >&2; exit 126; }
for i in $(seq 300); do
  [ -n "$INIT" ] || INIT=$(cat /proc/$UNSHARE/task/$UNSHARE/children 2>/dev/null | awk '{print $1}') || true
  kill -0 $UNSHARE 2>/dev/null || boot_fail "namespace setup failed"
  # no stat() of the inner tree before PID 1 is systemd
  if [ -n "$INIT" ] && [ "$(cat /proc/$INIT/comm 2>/dev/null)" = systemd ] &&
     [ -S /proc/$INIT/root/run/systemd/private ]; then break; fi
  sleep 0.05
done
[ -S /proc/$INIT/root/run/systemd/private ] || boot_fail "systemd did not come up in 15 s"
IN=(nsenter --target "$INIT" --mount --uts --ipc --net --pid --cgroup --root --wd=/)
# systemctl is-system-running --wait needs dbus; poll the private socket instead
for i in $(seq 300); do
  st=$("${IN[@]}" systemctl is-active tether-test.target 2>/dev/null || true)
  [ "$st" = active ] && break; [ "$st" = failed ] && break; sleep 0.05
done
[ "$st" = active ] || { "${IN[@]}" journalctl -b --no-pager 2>/dev/null | tail -60 >&2; boot_fail "target is '$st'"; }
TUID=$("${IN[@]}" id -u "$TESTUSER")
"${IN[@]}" systemctl start "user@$TUID.service" || { "${IN[@]}" journalctl -b --no-pager | tail -40 >&2; boot_fail "user manager failed"; }
T1=$(date +%s%N)
say "systemd $("${IN[@]}" systemctl --version | sed -n 1p | cut -d' ' -f2,3) up with user@$TUID in $(( (T1-T0)/1000000 )) ms (host pid $INIT)"
if [ "$VERBOSE" = 1 ]; then "${IN[@]}" systemctl --no-pager --failed --no-legend >&2 || true; fi

# the command runs as a transient unit of the inner system manager with a PAM session, so it is
# in a realistic cgroup; --pipe hands it OUR stdio. Not Type=exec: with PAM, 252 never sees that it has begun
if [ "$ASROOT" = 1 ]; then AS=(); else
AS=(-p User="$TESTUSER" -p PAMName=systemd-user
    -E HOME="/home/$TESTUSER" -E USER="$TESTUSER" -E LOGNAME="$TESTUSER" -E SHELL=/bin/bash
    -E XDG_RUNTIME_DIR="/run/user/$TUID" -E DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$TUID/bus"
    -p WorkingDirectory="/home/$TESTUSER"); fi
set +e
timeout --foreground --signal=TERM --kill-after=5 "$TIMEOUT" \
  "${IN[@]}" systemd-run --quiet --pipe --wait --collect --unit=tether-test-script --service-type=simple \
    ${AS[@]+"${AS[@]}"} -E LANG=C.UTF-8 -E PATH="$PATH" -E TETHER_IN_SYSTEMD=1 -p KillMode=control-group -p TimeoutStopSec=5 \
    ${ENVS[@]+"${ENVS[@]}"} -- "$@" <&0 &
RUN=$!; wait $RUN; RC=$?     # in the background, so that a signal's trap runs at once
set -e
[ $RC = 124 ] && echo "run-in-systemd: timed out after ${TIMEOUT}s" >&2
[ $RC = 137 ] && RC=124
if [ $RC != 0 ] && [ "$JOURNAL" = 1 ]; then "${IN[@]}" journalctl -b --no-pager -o short-monotonic >&2 || true; fi
T2=$(date +%s%N)
if [ "$VERBOSE" = 1 ]; then
  echo "run-in-systemd: memory: $(ps -o rss= --pid "$(cat $(find "$CG" -name cgroup.procs) 2>/dev/null | paste -sd,)" | awk '{s+=$1;n++}END{printf "%d processes, %.1f MiB rss", n, s/1024}')" >&2
fi
# orderly stop would take up to TimeoutStopSec; the file system is throwaway, so just kill PID 1
cleanup
say "test ran $(( (T2-T1)/1000000 )) ms, teardown $(( ($(date +%s%N)-T2)/1000000 )) ms, exit $RC"
exit $RC
