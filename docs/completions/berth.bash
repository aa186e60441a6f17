# SPDX-License-Identifier: MIT
#
# bash completion for berth. Commands, options and their values are read from berth's own --help,
# so that they are never others than those.

# The options of COMMAND, a line each: LETTER:NAME:VALUE.
_berth_options() {
    command berth "$1" --help 2>/dev/null |
        sed -n -E 's/^  (-(.), |    )--([a-z0-9-]+)( ([^ ]+))?( .*)?$/\2:\3:\5/p'
}

_berth_commands() {
    command berth --help 2>/dev/null | sed -n -E 's/^  ([a-z]+)  +.*$/\1/p'
}

# Words for the VALUE of an option: its choices, ports, or files.
_berth_value() {
    case $1 in
        PORT) _berth_operand ports "$2" ;;
        FILE*) mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
        *[!a-z0-9\|-]*) ;;
        *\|*) mapfile -t COMPREPLY < <(compgen -W "${1//|/ }" -- "$2") ;;
    esac
}

_berth_operand() {
    case $1 in
        ports)
            local names='system user ephemeral'
            if [[ $2 == *[a-zA-Z]* ]]; then
                names+=" $(command berth ports --search "$2" 2>/dev/null | awk 'NR > 1 { print $3 }')"
            fi
            mapfile -t COMPREPLY < <(compgen -W "$names" -- "$2" | sort -u)
            ;;
        rules)
            if ((COMP_CWORD == 2)); then
                mapfile -t COMPREPLY < <(compgen -W 'check explain export reload' -- "$2")
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$2")
            fi
            ;;
    esac
}

_berth() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
    local letter name value i words=()
    local -A takes=()

    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_commands) --help --version" -- "$cur")
        return
    fi
    while IFS=: read -r letter name value; do
        words+=("--$name")
        if [[ -n $value ]]; then
            takes[--$name]=$value
            [[ -z $letter ]] || takes[-$letter]=$value
        fi
    done < <(_berth_options "$verb")

    # The program that `berth run` runs has completions of its own.
    if [[ $verb == run ]]; then
        for ((i = 2; i < COMP_CWORD; i++)); do
            if [[ ${COMP_WORDS[i]} == -- ]]; then
                _berth_program $((i + 1))
                return
            elif [[ ${COMP_WORDS[i]} != -* && ${COMP_WORDS[i]} != = ]]; then
                _berth_program "$i"
                return
            elif [[ ${COMP_WORDS[i + 1]} == = ]]; then
                ((i += 2))
            elif [[ -n ${takes[${COMP_WORDS[i]}]:-} ]]; then
                ((i++))
            fi
        done
    fi

    # --option=value comes as three words.
    if [[ $cur == = ]]; then
        cur='' value=${takes[$prev]:-}
    elif [[ $prev == = ]]; then
        value=${takes[${COMP_WORDS[COMP_CWORD - 2]}]:-}
    else
        value=${takes[$prev]:-}
    fi
    if [[ -n $value ]]; then
        _berth_value "$value" "$cur"
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$cur")
    elif [[ $verb == run ]]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    else
        _berth_operand "$verb" "$cur"
    fi
}

# Completes from word $1 on as if the line began there.
_berth_program() {
    if ((COMP_CWORD == $1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    else
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    fi
}

complete -F _berth berth
