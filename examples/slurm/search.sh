#!/bin/bash
# A search as a job: sbatch examples/slurm/search.sh study.toml
#
# The study's file has `cluster = "slurm"` and `submit = true`, so this job only decides, and the jobs that it submits train. Before its
# time is over, `hpo` saves what is being trained, and another job like this one goes on with it. Write here what your cluster wants, such
# as a partition: options beside `sbatch` are not those of the jobs after the first.
#SBATCH --job-name=search
#SBATCH --time=1-00:00:00
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
#SBATCH --output=search.log
#SBATCH --open-mode=append

hpo search "$@" &
search=$!
# A shell handles signals only while it waits, and waits again then.
trap 'kill -TERM "$search"; warned=yes' TERM
wait "$search"
code=$?
if [ "${warned:-no}" = yes ]; then
    wait "$search"
    code=$?
fi

# It was stopped, and nothing recorded is lost.
if [ "$code" = 130 ]; then
    exec sbatch --dependency=singleton "$0" "$@"
fi
exit "$code"
