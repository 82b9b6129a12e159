#!/usr/bin/env bash
# A Slurm cluster of one machine with one GPU that is none, for the tests.
#   cluster.sh start FOLDER    everything of it lies there
#   cluster.sh stop FOLDER
# Jobs and commands look for its configuration in /etc/slurm: links there lead to FOLDER
# while it runs. Needs root, Debian's slurm-wlm and munge, and that no Slurm is set up.
set -euo pipefail
command=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
host=$(hostname -s)
files=(slurm.conf gres.conf)

start() {
  for name in "${files[@]}"; do
    if [[ -e /etc/slurm/$name ]]; then
      echo "cluster.sh: /etc/slurm/$name is there: this machine has a Slurm" >&2
      exit 1
    fi
  done
  mkdir -p "$folder"/{state,spool,munge}
  chmod 755 "$folder" "$folder/munge"
  dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none
  chown -R munge: "$folder/munge"
  chmod 400 "$folder/munge/key"
  runuser -u munge -- munged --key-file "$folder/munge/key" \
    --socket "$folder/munge/socket" --pid-file "$folder/munge/pid" \
    --log-file "$folder/munge/log" --seed-file "$folder/munge/seed" --force

  cat > "$folder/slurm.conf" <<CONF
ClusterName=deeprac
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/jobs.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,batch_sched_delay=0
ReturnToService=2
KillWait=30
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 RealMemory=100000 Gres=gpu:1
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=ALL MaxTime=00:02:00 State=UP
CONF
  echo "Name=gpu File=/dev/null" > "$folder/gres.conf"
  mkdir -p /etc/slurm
  for name in "${files[@]}"; do ln -sfn "$folder/$name" "/etc/slurm/$name"; done
  slurmctld
  slurmd
  for _ in $(seq 60); do
    if sinfo --noheader --format %T 2> /dev/null | grep -q idle; then return; fi
    sleep 0.5
  done
  tail -n 20 "$folder"/*.log >&2
  echo "cluster.sh: the cluster did not become idle in 30 s" >&2
  exit 1
}

stop() {
  scancel --user root 2> /dev/null || true
  for _ in $(seq 60); do
    if [[ -z $(squeue --noheader 2> /dev/null) ]]; then break; fi
    sleep 0.5
  done
  for name in slurmd slurmctld munge/pid; do
    file=$folder/${name/slurm*/$name.pid}
    if [[ -f $file ]]; then
      pid=$(cat "$file")
      kill "$pid" 2> /dev/null || true
      while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
    fi
  done
  for name in "${files[@]}"; do
    if [[ $(readlink "/etc/slurm/$name") == "$folder/$name" ]]; then
      rm "/etc/slurm/$name"
    fi
  done
}

"$command"
