# SPDX-License-Identifier: MIT
#
# Completion of qmp in fish. qmp itself says what may stand where: see qmp-completion(7).

function __qmp_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r "^~/" "$HOME/" -- $words[1])
    set -e words[1]
    for line in ($program __complete -- $words "$current" 2>/dev/null)
        set -l fields (string split -m 1 \t -- $line)
        if test "$fields[1]" = :files
            set -l rest (string sub -s (math (string length -- "$fields[2]") + 1) -- "$current")
            for file in (__fish_complete_path "$rest")
                echo -- "$fields[2]$file"
            end
        else
            echo -- $line
        end
    end
end

complete -c qmp -f -a '(__qmp_complete)'
