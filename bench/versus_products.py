"""Matrix products of the towers' shapes beside oneDNN's: bench_onednn.c, which prints its own lines."""
import os
import subprocess

import harness


def run(args, folder):
    del folder
    build = os.path.dirname(args.lodestone)
    program = os.path.join(build, 'bench', 'bench_onednn')
    made = subprocess.run(['make', '-s', '-C', harness.ROOT, f'BUILD={build}', program], capture_output=True, text=True)
    if made.returncode != 0:
        for precision in ['f32', 'bf16']:
            print(f'skipped product-{precision} no oneDNN 2 (Debian: libdnnl-dev)')
        return
    values = dict(os.environ, OMP_WAIT_POLICY='passive')
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True, env=values) as process:
        for line in process.stdout:
            words = line.split()
            if words[0] == 'versus' and float(words[4]) < float(words[5]):
                harness.below.append(words[1])
            print(line, end='', flush=True)
    if process.returncode != 0:
        print(f'# bench_onednn: exit status {process.returncode}')
