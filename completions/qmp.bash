# SPDX-License-Identifier: MIT
#
# Completion of qmp in bash, version 4 or later, with or without the package bash-completion. qmp itself says what may
# stand where: see qmp-completion(7). What is done here is to undo what bash does to a command line: it breaks words at
# = : and @, too, leaves the quotes in them, and wants to be told the last piece of a word only.

# Sets `words` to the words up to the cursor, the last one incomplete, as they are typed.
_qmp_words()
{
    local rest=${COMP_LINE:0:COMP_POINT} stripped i

    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        stripped=${rest#"${rest%%[![:space:]]*}"}
        if ((i > 0 && ${#stripped} < ${#rest} || i == 0)); then
            words+=('')
        fi
        if ((i < COMP_CWORD)); then
            words[-1]+=${COMP_WORDS[i]}
            rest=${stripped:${#COMP_WORDS[i]}}
        else
            words[-1]+=$stripped
        fi
    done
}

# Sets `kept` to the start of the last word that bash leaves as it is: up to a quote or a break; what an @ breaks starts
# with it.
_qmp_kept()
{
    local breaks='' c

    for c in = : @; do
        [[ $COMP_WORDBREAKS == *"$c"* ]] && breaks+=$c
    done
    if [[ $1 == *[\"\']* ]]; then
        kept=${1%[\"\']*}
    elif [[ -n $breaks && $1 == *["$breaks"]* ]]; then
        kept=${1%"${1##*["$breaks"]}"}
    else
        kept=''
    fi
    kept=${kept%@}
}

_qmp()
{
    local words kept current candidate meaning file
    local -a bare

    COMPREPLY=()
    _qmp_words
    _qmp_kept "${words[-1]}"
    kept=${kept//[\\\"\']/}
    bare=("${words[@]//[\\\"\']/}")
    current=${bare[-1]}
    while IFS=$'\t' read -r candidate meaning; do
        if [[ $candidate == :files ]]; then
            compopt -o filenames
            while IFS= read -r file; do
                [[ -d ${file/#~\//$HOME/} ]] && file+=/
                COMPREPLY+=("${meaning#"$kept"}$file")
            done < <(compgen -f -- "${current#"$meaning"}")
        else
            COMPREPLY+=("${candidate#"$kept"}")
        fi
    done < <("${bare[0]/#~\//$HOME/}" __complete -- "${bare[@]:1}" 2>/dev/null)
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[=.:/] ]]; then
        compopt -o nospace
    fi
}

complete -F _qmp qmp
