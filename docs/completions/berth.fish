# SPDX-License-Identifier: MIT
#
# fish completion for berth. Commands, options and their values are read from berth's own --help, so
# that they are never others than those.

function __berth_commands
    command berth --help 2>/dev/null | string replace -r -f '^  ([a-z]+)  +(.*)$' '$1\t$2'
end

# The command on the line, nothing before there is one.
function __berth_command
    set -l words (commandline -opc)
    test (count $words) -ge 2; and echo $words[2]
end

# The options of the command on the line, each with its first line of help.
function __berth_options
    command berth (__berth_command) --help 2>/dev/null |
        string replace -r -f '^  (?:-., |    )(--[a-z0-9-]+)(?: [^ ]+)?(?: +(.*))?$' '$1\t$2'
end

# The VALUE of the option before the cursor as --help names it.
function __berth_value
    set -l option (commandline -opc)[-1]
    string match -q -- '-*' $option; or return 1
    set -l value (command berth (__berth_command) --help 2>/dev/null |
        string replace -r -f '^  (?:(-.), |    )(--[a-z0-9-]+)(?: ([^ ]+))?(?: .*)?$' '$1 $2 $3' |
        string replace -r -f -- "^(?:\S* $option|$option \S*) (\S+)\$" '$1')
    test -n "$value"; and echo $value[1]
end

function __berth_values
    set -l value (__berth_value)
    if test "$value" = PORT
        __berth_ports
    else if string match -q 'FILE*' -- $value
        __fish_complete_path (commandline -ct)
    else if string match -q -r '^[a-z0-9-]+(\|[a-z0-9-]+)+$' -- $value
        string split '|' -- $value
    end
end

function __berth_ports
    printf '%s\n' system user ephemeral
    set -l word (commandline -ct)
    if string match -q -r '[a-zA-Z]' -- $word
        command berth ports --search $word 2>/dev/null | awk 'NR > 1 { print $3 }' | sort -u
    end
end

# Whether the program of `berth run` has begun: then its own completions count.
function __berth_runs
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test $words[2] = run
end

complete -c berth -f
complete -c berth -n 'not __berth_command >/dev/null' -a '(__berth_commands)'
complete -c berth -n 'not __berth_command >/dev/null' -l help -d 'the commands'
complete -c berth -n 'not __berth_command >/dev/null' -l version -d 'the version'
complete -c berth -n '__berth_value >/dev/null' -a '(__berth_values)'
complete -c berth -n '__berth_command >/dev/null; and not __berth_value >/dev/null; and string match -q -- "-*" (commandline -ct)' -a '(__berth_options)'
complete -c berth -n 'test "$(__berth_command)" = ports; and not __berth_value >/dev/null' -a '(__berth_ports)'
complete -c berth -n 'test "$(__berth_command)" = rules; and test (count (commandline -opc)) -eq 2' -a 'check explain export reload'
complete -c berth -n 'test "$(__berth_command)" = rules; and test (count (commandline -opc)) -gt 2' -F
complete -c berth -n '__berth_runs; and not __berth_value >/dev/null' -a '(__fish_complete_subcommand --fcs-skip=2)'
